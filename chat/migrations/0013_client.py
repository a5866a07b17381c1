from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('llm_chat', '0012_claim'),
    ]

    operations = [
        migrations.AddField(
            model_name='process',
            name='client',
            field=models.BooleanField(default=False, verbose_name='client'),
        ),
    ]
