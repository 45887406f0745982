"""Prints the last run of stestr as a JSON list: of each test its id, status, seconds and, unless it passed, why."""

import json
import re
import subprocess
import sys

import subunit
import testtools

STATUS = {"success": "passed", "xfail": "passed", "skip": "skipped"}

tests = {}


def on_test(test):
    if test["status"] == "exists":
        return
    status = STATUS.get(test["status"], "failed")
    started, ended = test["timestamps"]
    why = ""
    details = test["details"]
    if status == "skipped" and "reason" in details:
        why = details["reason"].as_text()
    elif status == "failed":
        why = "\n".join(details[k].as_text() for k in sorted(details) if k.startswith("traceback"))
    name = re.sub(r"\[[^]]*\]", "", test["id"])
    tests[name] = {
        "id": name,
        "status": status,
        "seconds": (ended - started).total_seconds() if started and ended else 0,
        "why": why.strip(),
    }


stestr = subprocess.Popen(["stestr", "last", "--subunit"], stdout=subprocess.PIPE)
result = testtools.StreamToDict(on_test)
result.startTestRun()
subunit.ByteStreamToStreamResult(stestr.stdout, non_subunit_name="stdout").run(result)
result.stopTestRun()
json.dump([tests[name] for name in sorted(tests)], sys.stdout)
