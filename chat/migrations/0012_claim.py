from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('llm_chat', '0011_limits'),
    ]

    operations = [
        migrations.AddField(
            model_name='conversation',
            name='claim',
            field=models.CharField(blank=True, default='', editable=False, max_length=64, verbose_name='claim'),
        ),
    ]
