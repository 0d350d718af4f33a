"""Wrote the golden payloads of the binary formats, each with an encoder that is not ours.

Sparkplug's are encoded by Eclipse Tahu's own descriptor, as pysparkplug ships it:
pip install --no-deps --target FOLDER pysparkplug; PYTHONPATH=FOLDER python make_payloads.py
"""

import struct
import sys
from pathlib import Path

import cbor2
import msgspec
import numpy as np

HERE = Path(__file__).parent
T = 1_700_000_000  # s
READING = {"t": T * 1000, "value": 21.5}
WIDE = [{"id": "c-1", "t": T * 1000, "v": {"flow": 7, "temp": -0.5}}]


def write(name: str, content: bytes) -> None:
    (HERE / name).write_bytes(content)


def sparkplug() -> None:
    # The generated module registers itself by name, under which nothing else may be.
    sys.path.insert(0, sys.argv[1])
    from pysparkplug._protobuf import sparkplug_b_pb2 as tahu  # noqa: PLC0415 - see above

    birth = tahu.Payload(timestamp=T * 1000, seq=0)
    birth.metrics.add(name="bdSeq", datatype=4, long_value=3)
    birth.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=False)
    birth.metrics.add(name="flow", alias=1, datatype=9, float_value=7.5, timestamp=T * 1000)
    birth.metrics.add(name="temp", alias=2, datatype=3, int_value=(1 << 32) - 5)
    birth.metrics.add(name="serial", alias=3, datatype=12, string_value="A-17")
    write("sparkplug-nbirth.bin", birth.SerializeToString())
    device = tahu.Payload(timestamp=T * 1000, seq=1)
    device.metrics.add(name="flow", alias=11, datatype=10, double_value=0.25)
    device.metrics.add(name="on", alias=12, datatype=11, boolean_value=True)
    device.metrics.add(name="level", alias=13, datatype=4, long_value=(1 << 64) - 2)
    write("sparkplug-dbirth.bin", device.SerializeToString())
    data = tahu.Payload(timestamp=T * 1000 + 1000, seq=2)
    data.metrics.add(alias=1, float_value=8.5, timestamp=T * 1000 + 900)
    data.metrics.add(alias=2, int_value=(1 << 32) - 6)
    stale = data.metrics.add(alias=1, float_value=9.5)
    stale.properties.keys.append("Quality")
    stale.properties.values.add(type=3, int_value=500)
    data.metrics.add(alias=1, float_value=1.0, is_historical=True)
    data.metrics.add(alias=2, is_null=True)
    data.metrics.add(name="table").dataset_value.num_of_columns = 1
    write("sparkplug-ndata.bin", data.SerializeToString())
    samples = tahu.Payload(timestamp=T * 1000, seq=3)
    wave = np.array([1, 2, 3], "<f4").tobytes()
    samples.metrics.add(name="flow", datatype=30, bytes_value=wave)
    write("sparkplug-array.bin", samples.SerializeToString())
    death = tahu.Payload(timestamp=T * 1000)
    death.metrics.add(name="bdSeq", datatype=4, long_value=3)
    write("sparkplug-ndeath.bin", death.SerializeToString())


def main() -> None:
    write("cbor-reading.bin", cbor2.dumps(READING))
    write("cbor-wide.bin", cbor2.dumps(WIDE))
    typed = cbor2.CBORTag(85, np.array([1.5, -2], "<f4").tobytes())  # RFC 8746
    write("cbor-samples.bin", cbor2.dumps({"t": T * 1000, "hz": 20_000, "value": typed}))
    write("msgpack-reading.bin", msgspec.msgpack.encode(READING))
    write("msgpack-wide.bin", msgspec.msgpack.encode(WIDE))
    # RFC 8428, 6: the labels of CBOR.
    pack = [{-2: "urn:dev:c-1:", -3: T, 0: "flow", 2: 7.5}, {0: "temp", 6: 1, 2: -0.5}]
    write("senml-pack.bin", cbor2.dumps(pack))
    write("array-float32.bin", struct.pack("<6f", 1, -1, 2, -2, 3, -3))
    write("array-float64.bin", struct.pack("<3d", 1, 2, 3))
    write("array-int16.bin", struct.pack("<QfHH3h", T * 10**9, 20_000, 0, 0, -32768, 0, 32767))
    sparkplug()


if __name__ == "__main__":
    main()
