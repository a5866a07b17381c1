from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('llm_chat', '0009_tool_calls'),
    ]

    operations = [
        migrations.AddField(
            model_name='message',
            name='run',
            field=models.PositiveSmallIntegerField(default=0, editable=False, verbose_name='run'),
        ),
        migrations.AddField(
            model_name='toolcall',
            name='decided_at',
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name='decided at'),
        ),
        migrations.AddField(
            model_name='toolcall',
            name='decided_by',
            field=models.CharField(blank=True, editable=False, max_length=80, verbose_name='decided by'),
        ),
        migrations.AddField(
            model_name='toolcall',
            name='expires_at',
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name='expires at'),
        ),
        migrations.AddField(
            model_name='toolcall',
            name='language',
            field=models.CharField(blank=True, editable=False, max_length=32, verbose_name='language'),
        ),
        migrations.AddField(
            model_name='toolcall',
            name='ends_answer',
            field=models.BooleanField(default=False, editable=False, verbose_name='ends the answer'),
        ),
        migrations.AddField(
            model_name='toolcall',
            name='question',
            field=models.TextField(blank=True, editable=False, verbose_name='question'),
        ),
        migrations.AddField(
            model_name='toolcall',
            name='reason',
            field=models.CharField(blank=True, editable=False, max_length=500, verbose_name='reason'),
        ),
        migrations.AlterField(
            model_name='message',
            name='status',
            field=models.CharField(choices=[('running', 'running'), ('waiting', 'waiting for a decision'), ('complete', 'complete'), ('cut', 'cut'), ('stopped', 'stopped'), ('failed', 'failed'), ('interrupted', 'interrupted')], default='complete', max_length=16, verbose_name='status'),
        ),
        migrations.AlterField(
            model_name='toolcall',
            name='state',
            field=models.CharField(choices=[('asked', 'asked'), ('allowed', 'allowed'), ('running', 'running'), ('done', 'done'), ('failed', 'failed'), ('unknown', 'unknown'), ('denied', 'denied'), ('expired', 'expired')], default='running', editable=False, max_length=16, verbose_name='state'),
        ),
    ]
