#!/usr/bin/env python3
"""make_protocols.py TABLES OUT - src/eval/protocols/*.json from the published label tables.

TABLES holds one JSON a data set (class names, raw value to class). OUT gets one file a protocol in the form that
src/eval/protocol.c reads: in "table", 255 is a value without a class and 254 one that no label file may have.
"""
import json
import pathlib
import sys

NONE, INVALID = 255, 254


def read(folder, name):
    return json.loads((folder / name).read_text())


def protocols(folder):
    yield "voc", {"classes": read(folder, "voc20.json")["names"], "background": True, "dataset": "from_one"}

    context = read(folder, "pascal_context59.json")
    yield "context", {"classes": context["names"], "background": True, "dataset": "from_zero",
                      "detail": context["detail_ids"]}

    table = read(folder, "coco_object.json")
    absent = set(table["ids_absent_from_the_table"])
    last = table["stuff_ids_to_background"][1]
    values = [INVALID if i in absent else NONE if i >= len(table["fine_to_object"]) else
              NONE if table["fine_to_object"][i] is None else table["fine_to_object"][i] for i in range(last + 1)]
    yield "coco-object", {"classes": table["names"], "background": True, "dataset": "table", "table": values}

    table = read(folder, "coco_stuff27.json")
    yield "coco-stuff-27", {"classes": table["coarse_names"], "background": False, "dataset": "table",
                            "table": table["fine_to_coarse"]}

    table = read(folder, "cityscapes27.json")
    ids = table["label_id_to_27"]
    values = [NONE if ids[str(i)] < 0 else ids[str(i)] for i in range(34)]
    yield "cityscapes", {"classes": table["names"], "background": False, "dataset": "table", "table": values}

    yield "ade20k", {"classes": read(folder, "ade20k150.json")["names"], "background": False, "dataset": "from_one",
                     "reference_dataset": "from_zero", "reference_left_out": [150]}


def main():
    tables, out = map(pathlib.Path, sys.argv[1:3])
    for name, protocol in protocols(tables):
        lines = ",\n".join(f' "{key}": {json.dumps(value)}' for key, value in protocol.items())
        (out / f"{name}.json").write_text("{\n" + lines + "\n}\n")


main()
