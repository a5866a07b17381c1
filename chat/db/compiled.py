"""Statements that the ORM compiles once, and that Django's cursor then runs with other values.

The ORM takes several times as long to compile a statement as a database takes to run it. A turn's statements are
always the same, so their SQL is kept for each database. It is the ORM's own output, never put together from values.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from django.db import connections, models
from django.db.models import F
from django.db.models.constants import OnConflict
from django.db.models.sql import InsertQuery, UpdateQuery
from django.utils import timezone

ModelT = TypeVar("ModelT", bound=models.Model)
Fields = Sequence["models.Field[Any, Any]"]
Sql = tuple[str, Sequence[Any]]


class UnsupportedError(Exception):
    """The database cannot run the statement."""


class Statement:
    """A statement whose parameters are values of ``fields``, in this order.

    ``compile`` makes its SQL for the database of an alias, with any values.
    """

    def __init__(self, fields: Fields, compile: Callable[[str], Sql]) -> None:  # noqa: A002
        self.fields = fields
        self._compile = compile
        self._compiled: dict[str, str] = {}

    def compile(self, alias: str) -> str:
        """Return the SQL, with a ``%s`` for each parameter. Raises ``UnsupportedError``."""
        sql, values = self._compile(alias)
        if len(values) != len(self.fields):
            raise AssertionError(f"Expected {len(self.fields)} parameters in: {sql}")
        self._compiled[alias] = sql
        return sql

    def run(self, alias: str, *values: Any) -> tuple[int, list[tuple[Any, ...]]]:
        """Run the statement. Return how many rows it has changed or found, and those that it returns.

        The rows are as the driver reads them. Raises ``UnsupportedError`` and ``django.db.Error``.
        """
        connection = connections[alias]
        sql = self._compiled.get(alias) or self.compile(alias)
        prepared = [f.get_db_prep_save(value, connection) for f, value in zip(self.fields, values, strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(sql, prepared)
            return cursor.rowcount, list(cursor.fetchall()) if cursor.description else []


class Insert(Statement, Generic[ModelT]):
    """An INSERT of all columns except the primary key, which ``returning`` gets back with other columns.

    With ``unique``, a row with the same values in these columns is not inserted: its columns ``updated`` are written.
    """

    def __init__(self, model: type[ModelT], returning: Fields, unique: Fields = (), updated: Fields = ()) -> None:
        super().__init__([field for field in model._meta.concrete_fields if not field.primary_key], self._made)
        self._model = model
        self._returning = returning
        self._conflict: dict[str, Any] = {}
        if unique:
            self._conflict = {"on_conflict": OnConflict.UPDATE, "unique_fields": unique, "update_fields": updated}

    def insert(self, alias: str, row: ModelT) -> ModelT:
        """Insert a row, and return it with the columns ``returning`` as the database has them. Raises as ``run``."""
        _count, (found,) = self.run(alias, *(getattr(row, field.attname) for field in self.fields))
        connection = connections[alias]
        for field, value in zip(self._returning, found, strict=True):
            column = field.get_col(field.model._meta.db_table)
            for convert in (*connection.ops.get_db_converters(column), *field.get_db_converters(connection)):
                value = convert(value, column, connection)
            setattr(row, field.attname, value)
        row._state.adding, row._state.db = False, alias
        return row

    def _made(self, alias: str) -> Sql:
        features = connections[alias].features
        if not (features.supports_update_conflicts_with_target and features.can_return_columns_from_insert):
            raise UnsupportedError(f"{connections[alias].vendor} has no INSERT ... ON CONFLICT ... RETURNING.")
        query = InsertQuery(self._model, **self._conflict)
        query.insert_values(self.fields, [self._model()], raw=True)
        compiler = query.get_compiler(using=alias)
        compiler.returning_fields = self._returning
        ((sql, values),) = compiler.as_sql()
        return sql, values


class Append(Statement, Generic[ModelT]):
    """An INSERT of all columns except a primary key that the database makes.

    A row whose unique columns are there already is left as it is. With ``source``, the name of a CTE, the row is
    inserted only if that has one.
    """

    def __init__(self, model: type[ModelT], source: str = "") -> None:
        made = [field for field in model._meta.concrete_fields if field is not model._meta.auto_field]
        super().__init__(made, self._made)
        self._model = model
        self._source = source

    def values(self, row: ModelT) -> list[Any]:
        """Return the values of a row, in the order of ``fields``."""
        return [getattr(row, field.attname) for field in self.fields]

    def _made(self, alias: str) -> Sql:
        ignores = connections[alias].features.supports_ignore_conflicts
        query = InsertQuery(self._model, on_conflict=OnConflict.IGNORE if ignores else None)
        query.insert_values(self.fields, [self._model()], raw=True)
        ((sql, values),) = query.get_compiler(using=alias).as_sql()
        marks = ", ".join(["%s"] * len(self.fields))
        if self._source:
            sql = sql.replace(f"VALUES ({marks})", f"SELECT {marks} FROM {self._source}")  # noqa: S608 (no value in it)
        return sql, values


def columns(model: type[models.Model], *names: str) -> Fields:
    """Return fields of a model by their names."""
    by_name = {field.name: field for field in model._meta.concrete_fields}
    return [by_name[name] for name in names]


def update(model: type[models.Model], written: Fields, where: Fields) -> Statement:
    """Make an UPDATE of the columns ``written``, in the rows where the columns ``where`` have given values."""

    def compile_for(alias: str) -> Sql:
        rows = model._base_manager.all()
        for field in where:
            rows = rows.filter(**{field.attname: sample(field)})
        query: Any = rows.query.chain(UpdateQuery)
        query.add_update_fields([(field, None, sample(field)) for field in written])
        sql, values = query.get_compiler(using=alias).as_sql()
        return sql, values

    return Statement([*written, *where], compile_for)


def add(field: "models.Field[Any, Any]", where: Fields, most: "models.Field[Any, Any] | None" = None) -> Statement:
    """Make an UPDATE that adds a number to a column, in the rows where the columns ``where`` have given values.

    The values are the number and those of ``where``; with ``most`` also the largest value that column may have before.
    """
    model: type[models.Model] = field.model

    def compile_for(alias: str) -> Sql:
        rows = model._base_manager.filter(**{each.attname: sample(each) for each in where})
        if most is not None:
            rows = rows.filter(**{f"{most.attname}__lte": 1})
        query: Any = rows.query.chain(UpdateQuery)
        query.add_update_values({field.attname: F(field.attname) + 1})
        sql, values = query.get_compiler(using=alias).as_sql()
        return sql, values

    return Statement([field, *where, *([most] if most is not None else [])], compile_for)


def select(rows: Callable[[], models.QuerySet[Any, Any]], fields: Fields) -> Statement:
    """Make a SELECT of a queryset that filters by sample values of ``fields``, in this order."""
    return Statement(fields, lambda alias: rows().query.get_compiler(using=alias).as_sql())


FIRST = "cte0"
"""The name of the first CTE in a statement that ``together`` makes."""


def together(*statements: Statement) -> Statement:
    """Make one statement of several that change rows, for PostgreSQL; it returns how many the first one changed."""

    def compile_for(alias: str) -> Sql:
        ctes = (f"cte{place} AS ({each.compile(alias)} RETURNING 1)" for place, each in enumerate(statements))
        return f"WITH {', '.join(ctes)} SELECT COUNT(*) FROM {FIRST}", fields  # noqa: S608 (all are the ORM's)

    fields = [field for each in statements for field in each.fields]
    return Statement(fields, compile_for)


def sample(field: "models.Field[Any, Any]") -> Any:
    """Return any value of a field that compiles to a parameter."""
    samples = {"DateTimeField": timezone.now(), "BooleanField": True, "JSONField": []}
    return samples.get(field.get_internal_type(), "1")
