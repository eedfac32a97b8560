"""What the groups may do with what the operations migration made."""

from django.db import migrations

from catalog.groups import make_groups


class Migration(migrations.Migration):

    dependencies = [
        ('auditlog', '0017_add_actor_email'),
        ('catalog', '0005_operations'),
    ]

    operations = [
        migrations.RunPython(make_groups, migrations.RunPython.noop),
    ]
