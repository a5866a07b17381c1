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
        migrations.AddField(
            model_name='conversation',
            name='about_model',
            field=models.CharField(blank=True, default='', editable=False, max_length=100, verbose_name='model of the object'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='conversation',
            name='about_key',
            field=models.CharField(blank=True, default='', editable=False, max_length=255, verbose_name='key of the object'),
            preserve_default=False,
        ),
    ]
