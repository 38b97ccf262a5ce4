# SPDX-License-Identifier: Apache-2.0
"""tune: what is asked for, planned, listed and told; as in tune.py on a host of our own."""

from harness import expect, fact, one_error, run
from tuned import own_host, status

SOMAXCONN = "net.core.somaxconn"
VALUE = ("--set", f"{SOMAXCONN}=5000")


@fact
def what_means_nothing_on_any_host_ends_with_2_and_what_this_one_lacks_with_1():
    own_host()
    for arguments, words in [
            (("plan", "--profile", "none"), "there is no profile 'none'; there are classic"), (("profile", "show", "none"), "no profile 'none'"),
            (("apply", "--yes", "--profile", "none"), "no profile 'none'"), (("apply", "--yes"), "wants one of"),
            (("apply", "plan.json", "--yes", *VALUE), "wants one of"), (("apply", "--yes", "--profile", "server", *VALUE), "wants one of"),
            (("apply", "--yes", "--set", "kernel.panic=1"), "not in the catalogue"), (("apply", "--yes", "--set", f"{SOMAXCONN}@lo=5"), "no setting of"),
            (("apply", "--yes", "--set", SOMAXCONN), "not KEY=VALUE"), (("apply", "--yes", "--set", f"{SOMAXCONN}=x"), "number"),
            (("plan", "--only", "net.x"), "--only: net.x is not"), (("plan", "--except", "net.x"), "--except: net.x is not"),
            (("list", "net.x"), "net.x is not in"), (("hand-back", "net.x"), "net.x is not in"), (("auto", "--only", "net.x"), "--only: net.x is not"),
            (("plan", "--from", "/var/lib/x.nsr", "--profile", "server"), "looks at no recording")]:
        message = one_error(run("tune", *arguments), 2)
        assert words in message, message
    for arguments, words in [(("hand-back", SOMAXCONN), "not left alone"), (("apply", "--yes", "/var/lib/none"), "No such file"),
                             (("apply", "--yes", "--set", "device.txqueuelen@none=5"), "there is no device none"), (("rollback",), "nothing to roll back")]:
        message = one_error(run("tune", *arguments), 1)
        assert words in message, message
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    assert "root" in one_error(run("tune", "apply", "--yes", *VALUE, wrap=nobody), 1)
    expect(status()["state"], "none", "state")
