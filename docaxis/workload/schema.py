"""The JSON Schema of workload files, for editors: the models, and what the text below each of their fields says.

The text is read from the source, when a schema is asked for: whoever only reads a workload need not wait for it.
"""

import ast
import inspect
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from docaxis.workload.faults import Fault
from docaxis.workload.model import (
    Documents,
    GeneratorBounds,
    Newcomer,
    Phase,
    Recalls,
    Receipts,
    Traffic,
    Workload,
)
from docaxis.workload.objectives import Objective

#: Every table of a workload file.
TABLES: tuple[type[BaseModel], ...] = (
    Workload,
    Phase,
    Traffic,
    Newcomer,
    Documents,
    Recalls,
    Receipts,
    GeneratorBounds,
    Fault,
    Objective,
)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a workload file, with a description of every property."""
    made = Workload.model_json_schema(mode="validation")
    for table in TABLES:
        properties = (made if table is Workload else made["$defs"][table.__name__])["properties"]
        for name, text in descriptions(table).items():
            properties[name]["description"] = text
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def descriptions(table: type[BaseModel]) -> dict[str, str]:
    """Return the text below each field of a model, as far as there is one."""
    (body,) = (
        one.body
        for one in ast.parse(inspect.getsource(inspect.getmodule(table) or table)).body
        if isinstance(one, ast.ClassDef) and one.name == table.__name__
    )
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
