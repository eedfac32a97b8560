"""Price tables, and what the groups may do with them and with what the operations migration made."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from catalog.groups import make_groups


class Migration(migrations.Migration):

    dependencies = [
        ('auditlog', '0017_add_actor_email'),
        ('catalog', '0005_operations'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Feed',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, verbose_name='file')),
                ('state', models.CharField(choices=[('found', 'looked at'), ('applied', 'applied'), ('undone', 'undone')], default='found', max_length=8)),
                ('rows', models.PositiveIntegerField(default=0)),
                ('unchanged', models.PositiveIntegerField(default=0)),
                ('unknown', models.JSONField(blank=True, default=list)),
                ('warnings', models.JSONField(blank=True, default=list)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('applied_at', models.DateTimeField(blank=True, null=True)),
                ('undone_at', models.DateTimeField(blank=True, null=True)),
                ('author', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('catalog', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='feeds', to='catalog.catalog')),
            ],
            options={
                'verbose_name': 'price table',
                'ordering': ['-pk'],
            },
        ),
        migrations.CreateModel(
            name='FeedChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('row', models.PositiveIntegerField()),
                ('before', models.JSONField()),
                ('after', models.JSONField()),
                ('feed', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='changes', to='catalog.feed')),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='catalog.product')),
            ],
            options={
                'ordering': ['pk'],
                'constraints': [models.UniqueConstraint(fields=('feed', 'product'), name='one_feed_change_a_product')],
            },
        ),
        migrations.RunPython(make_groups, migrations.RunPython.noop),
    ]
