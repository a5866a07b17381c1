from django.conf import settings
from django.db import migrations, models

from ..conf import conf
from ..managers import cascade


class Migration(migrations.Migration):

    dependencies = [
        ('llm_chat', '0004_names_and_order'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='conversation',
            options={'base_manager_name': 'objects', 'verbose_name': 'conversation', 'verbose_name_plural': 'conversations'},
        ),
        migrations.AlterModelOptions(
            name='feedback',
            options={'base_manager_name': 'objects', 'verbose_name': 'feedback', 'verbose_name_plural': 'feedback'},
        ),
        migrations.AlterModelOptions(
            name='message',
            options={'base_manager_name': 'objects', 'verbose_name': 'message', 'verbose_name_plural': 'messages'},
        ),
        migrations.AlterModelOptions(
            name='process',
            options={'base_manager_name': 'objects', 'verbose_name': 'process', 'verbose_name_plural': 'processes'},
        ),
        migrations.AlterField(
            model_name='conversation',
            name='user',
            field=models.ForeignKey(blank=True, db_constraint=conf.user_constraint, editable=False, null=True, on_delete=cascade, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='user'),
        ),
    ]
