"""Sparkplug B's protobuf messages, as far as readings need them.

Built from a descriptor in code: the fields and numbers are those of sparkplug_b.proto
(Eclipse Tahu; Sparkplug 3.0, 6.4). Others, such as data sets and templates, are skipped
by protobuf as fields that it does not know.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

__all__ = ["DecodeError", "Payload"]

_F = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "edge_anomaly.sparkplug"
_U32, _U64, _BOOL = _F.TYPE_UINT32, _F.TYPE_UINT64, _F.TYPE_BOOL
_FIELDS: dict[str, list[tuple[str, int, Any]]] = {
    "PropertyValue": [
        ("type", 1, _U32),
        ("is_null", 2, _BOOL),
        ("int_value", 3, _U32),
        ("long_value", 4, _U64),
    ],
    "PropertySet": [("keys", 1, [_F.TYPE_BYTES]), ("values", 2, ["PropertyValue"])],
    "Metric": [
        ("name", 1, _F.TYPE_BYTES),  # text, of which protobuf itself would not say what is wrong
        ("alias", 2, _U64),
        ("timestamp", 3, _U64),
        ("datatype", 4, _U32),
        ("is_historical", 5, _BOOL),
        ("is_null", 7, _BOOL),
        ("properties", 9, "PropertySet"),
        ("int_value", 10, _U32),
        ("long_value", 11, _U64),
        ("float_value", 12, _F.TYPE_FLOAT),
        ("double_value", 13, _F.TYPE_DOUBLE),
        ("boolean_value", 14, _BOOL),
        ("bytes_value", 16, _F.TYPE_BYTES),
    ],
    "Payload": [("timestamp", 1, _U64), ("metrics", 2, ["Metric"]), ("seq", 3, _U64)],
}


def _build() -> Any:  # noqa: ANN401 - the class is made at run time
    file = descriptor_pb2.FileDescriptorProto(
        name="edge_anomaly/sparkplug.proto", package=_PACKAGE, syntax="proto2"
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            repeated = isinstance(kind, list)
            of = kind[0] if repeated else kind
            label = _F.LABEL_REPEATED if repeated else _F.LABEL_OPTIONAL
            if isinstance(of, str):
                message.field.add(
                    name=field, number=number, label=label,
                    type=_F.TYPE_MESSAGE, type_name=f".{_PACKAGE}.{of}",
                )  # fmt: skip
            else:
                message.field.add(name=field, number=number, label=label, type=of)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))


Payload = _build()
