import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('llm_chat', '0008_assistant'),
    ]

    operations = [
        migrations.AddField(
            model_name='message',
            name='has_calls',
            field=models.BooleanField(default=False, editable=False, verbose_name='has calls of tools'),
        ),
        migrations.CreateModel(
            name='ToolCall',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uid', models.CharField(editable=False, max_length=64, unique=True, verbose_name='UID')),
                ('step', models.PositiveSmallIntegerField(editable=False, verbose_name='step')),
                ('name', models.CharField(editable=False, max_length=64, verbose_name='tool')),
                ('input', models.JSONField(default=dict, editable=False, verbose_name='input')),
                ('state', models.CharField(choices=[('running', 'running'), ('done', 'done'), ('failed', 'failed'), ('unknown', 'unknown')], default='running', editable=False, max_length=16, verbose_name='state')),
                ('output', models.JSONField(blank=True, editable=False, null=True, verbose_name='output')),
                ('error', models.TextField(blank=True, editable=False, verbose_name='error')),
                ('backend', models.CharField(blank=True, editable=False, max_length=100, verbose_name='backend')),
                ('model_id', models.CharField(blank=True, editable=False, max_length=255, verbose_name='ID of the model')),
                ('extra', models.JSONField(blank=True, default=dict, editable=False, verbose_name='further fields of the model')),
                ('started_at', models.DateTimeField(auto_now_add=True, verbose_name='started at')),
                ('ended_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='ended at')),
                ('message', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='tool_calls', to='llm_chat.message', verbose_name='message')),
            ],
            options={
                'verbose_name': 'tool call',
                'verbose_name_plural': 'tool calls',
                'base_manager_name': 'objects',
            },
        ),
    ]
