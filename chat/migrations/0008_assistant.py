from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('llm_chat', '0007_shares'),
    ]

    operations = [
        migrations.AddField(
            model_name='conversation',
            name='assistant',
            field=models.CharField(default='default', editable=False, max_length=64, verbose_name='assistant'),
        ),
    ]
