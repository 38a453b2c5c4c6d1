"""The first schema: the directory, the records, and the records that contradicted one.

Types are spelled out: a migration says what was so on its day, whatever ``tables.py`` becomes later.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tenants"),
    )
    op.create_table(
        "trunks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("number_format", sa.Text(), nullable=False),
        sa.Column("area_code", sa.Text(), nullable=False),
        sa.Column("country_code", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_trunks"),
    )
    op.create_table(
        "partners",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("ring_for_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_partners"),
    )
    op.create_table(
        "failsafe_profiles",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("group", sa.Text(), nullable=False),
        sa.Column("partner", sa.Text(), nullable=True),
        sa.Column("hours", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_failsafe_profiles"),
        sa.ForeignKeyConstraint(["partner"], ["partners.id"], name="fk_failsafe_profiles_partner_partners"),
    )
    op.create_table(
        "queues",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("skill", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("ring_for_ms", sa.BigInteger(), nullable=False),
        sa.Column("wrap_up_for_ms", sa.BigInteger(), nullable=False),
        sa.Column("max_wait_ms", sa.BigInteger(), nullable=False),
        sa.Column("target_ms", sa.BigInteger(), nullable=False),
        sa.Column("target_share", sa.Double(), nullable=False),
        sa.Column("overflow_after_ms", sa.BigInteger(), nullable=True),
        sa.Column("overflow_partner", sa.Text(), nullable=True),
        sa.Column("music", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_queues"),
        sa.ForeignKeyConstraint(["overflow_partner"], ["partners.id"], name="fk_queues_overflow_partner_partners"),
    )
    op.create_table(
        "entries",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("failsafe", sa.Text(), nullable=False),
        sa.Column("block", sa.Boolean(), nullable=False),
        sa.Column("greeting", sa.Text(), nullable=True),
        sa.Column("announcement", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_entries"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_entries_tenant_tenants"),
        sa.ForeignKeyConstraint(["queue"], ["queues.id"], name="fk_entries_queue_queues"),
        sa.ForeignKeyConstraint(["failsafe"], ["failsafe_profiles.name"], name="fk_entries_failsafe_failsafe_profiles"),
    )
    op.create_table(
        "agents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_agents"),
        sa.UniqueConstraint("phone", name="uq_agents_phone"),
    )
    op.create_table(
        "agent_skills",
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("skill", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("agent", "skill", name="pk_agent_skills"),
        sa.ForeignKeyConstraint(["agent"], ["agents.id"], name="fk_agent_skills_agent_agents"),
    )
    op.create_table(
        "records",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("dialled", sa.Text(), nullable=False),
        sa.Column("ani", sa.Text(), nullable=True),
        sa.Column("trunk", sa.Text(), nullable=False),
        sa.Column("trunk_call_id", sa.Text(), nullable=False),
        sa.Column("t_in", sa.DateTime(timezone=True), nullable=False),
        sa.Column("t_ann_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("t_q", sa.DateTime(timezone=True), nullable=True),
        sa.Column("t_ans", sa.DateTime(timezone=True), nullable=True),
        sa.Column("t_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("t_wrap_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("t_leave", sa.DateTime(timezone=True), nullable=True),
        sa.Column("t_ovf", sa.DateTime(timezone=True), nullable=True),
        sa.Column("t_ovf_ans", sa.DateTime(timezone=True), nullable=True),
        sa.Column("t_failsafe", sa.DateTime(timezone=True), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("partner", sa.Text(), nullable=True),
        sa.Column("transferred_to", sa.Text(), nullable=True),
        sa.Column("transfer_blind", sa.Boolean(), nullable=True),
        sa.Column("failsafe_answered_by", sa.Text(), nullable=True),
        sa.Column("hung_up_first", sa.Text(), nullable=False),
        sa.Column("cause", sa.Integer(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("blame", sa.Text(), nullable=False),
        sa.Column("in_time", sa.Boolean(), nullable=False),
        sa.Column("offers", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("call", name="pk_records"),
    )
    op.create_index("ix_records_t_in", "records", ["t_in"])
    op.create_index("ix_records_tenant_t_in", "records", ["tenant", "t_in"])
    op.create_index("ix_records_trunk_call_id", "records", ["trunk_call_id"], postgresql_using="hash")
    op.create_table(
        "record_conflicts",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("call", "digest", name="pk_record_conflicts"),
    )
    op.create_index("ix_record_conflicts_seen_at", "record_conflicts", ["seen_at"])
    op.create_table(
        "agent_intents",
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("intent", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("agent", name="pk_agent_intents"),
    )


def downgrade() -> None:
    for table in (
        "agent_intents",
        "record_conflicts",
        "records",
        "agent_skills",
        "agents",
        "entries",
        "queues",
        "failsafe_profiles",
        "partners",
        "trunks",
        "tenants",
    ):
        op.drop_table(table)
