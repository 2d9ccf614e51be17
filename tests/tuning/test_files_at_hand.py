"""Files of the driver, and of workers that do not see them; without Ray, the keeper is a plain object."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from mlpf_hpo.errors import BusyError, ConfigurationError, DataError
from mlpf_hpo.tuning import files_at_hand
from mlpf_hpo.tuning.cluster_code import package_digest, task_code
from mlpf_hpo.tuning.cluster_nodes import ClusterNode, NodeChecks
from mlpf_hpo.tuning.driver_files import DriverFiles, marked
from mlpf_hpo.tuning.file_keeper import FileKeeper
from mlpf_hpo.tuning.files_at_hand import FileAccess, FolderCopy
from mlpf_hpo.tuning.node_report import NodeReport
from mlpf_hpo.tuning.shares import Node
from mlpf_hpo.tuning.task import TrialSpec
from tests.quick_task import QuickTask
from tests.tuning.data_task import NUMBER, DataTask, MovableTask


class Remote:
    """A keeper whose methods are asked for as an actor's are."""

    def __init__(self, keeper: FileKeeper) -> None:
        self.keeper = keeper

    def __getattr__(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(remote=getattr(self.keeper, name))


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return a driver's folders, and a place on another node."""
    monkeypatch.setattr(files_at_hand, "ask", lambda answer: answer)
    monkeypatch.setattr(files_at_hand, "place_on_node", lambda: tmp_path / "node")
    state, data, node = tmp_path / "state", tmp_path / "data", tmp_path / "node"
    (data / "deep").mkdir(parents=True)
    node.mkdir()
    (data / NUMBER).write_text("7")
    (data / "deep" / "large").write_bytes(bytes(range(256)) * 2**13)
    trial = state / "checkpoints" / "k0"
    trial.mkdir(parents=True)
    keeper = Remote(FileKeeper(trial.parent, data))
    return SimpleNamespace(state=state, data=data, trial=trial, keeper=keeper, node=node)


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_folder_and_its_copy_stay_the_same(driver, tmp_path: Path) -> None:
    (driver.trial / "epoch-1").write_text("one")
    (driver.trial / "sub").mkdir()
    (driver.trial / "sub" / "state").write_text("a")
    (driver.trial / ".epoch-2.1.tmp").write_text("half")
    (tmp_path / "copy").mkdir()
    copy = FolderCopy(driver.keeper, "k0", tmp_path / "copy")
    assert content(copy.folder) == {"epoch-1": b"one", "sub/state": b"a"}
    (copy.folder / "epoch-2").write_text("two")
    (copy.folder / "epoch-1").unlink()
    (copy.folder / "sub" / "state").write_text("b")  # of the same size
    copy.send()
    (driver.trial / ".epoch-2.1.tmp").unlink()
    assert content(driver.trial) == content(copy.folder) == {"epoch-2": b"two", "sub/state": b"b"}
    (driver.trial / "epoch-2").write_text("is not sent again")
    copy.send()
    assert (driver.trial / "epoch-2").read_text() == "is not sent again"


def test_a_worker_that_was_taken_for_lost_is_refused(driver, tmp_path: Path) -> None:
    for name in ("lost", "next"):
        (tmp_path / name).mkdir()
    lost = FolderCopy(driver.keeper, "k0", tmp_path / "lost")
    following = FolderCopy(driver.keeper, "k0", tmp_path / "next")
    (following.folder / "epoch-2").write_text("new")
    following.send()
    (lost.folder / "epoch-2").write_text("late")
    with pytest.raises(BusyError, match="trial k0: it has gone on elsewhere"):
        lost.send()
    assert content(driver.trial) == {"epoch-2": b"new"}


def spec(task) -> TrialSpec:
    return TrialSpec("t000", {"x": 1.0}, 0, task)


def test_what_is_seen_is_used_where_it_is(driver) -> None:
    task = MovableTask(driver.data)
    with marked(driver.state, driver.data) as files:
        access = FileAccess(files, keeper=None)
        with access.at_hand(spec(task), driver.trial) as (found, folder, send):
            assert (found.task, folder) == (task, driver.trial)
            send()
    assert not list((driver.state / "ray").iterdir()), "the mark is gone"


def unseen(files: DriverFiles) -> DriverFiles:
    """Return the files as another node has them, with other folders at the same paths."""
    return DriverFiles(files.mark, "other", files.data, {**files.listing, NUMBER: (1, "another")})


def test_what_is_not_seen_is_brought(driver) -> None:
    with marked(driver.state, driver.data) as files:
        access = FileAccess(unseen(files), driver.keeper)
        for _ in range(2):
            with access.at_hand(spec(MovableTask(driver.data)), driver.trial) as (found, folder, send):
                copy = found.task.dataset_path
                assert copy.is_relative_to(driver.node)
                assert content(copy) == content(driver.data)
                (folder / "epoch-1").write_text("one")
                send()
                assert content(driver.trial) == {"epoch-1": b"one"}
                assert folder.is_relative_to(driver.node)
            assert not folder.exists()
            (driver.data / NUMBER).write_text("8")
            assert (copy / NUMBER).read_text() == "7", "brought once"
            (driver.data / NUMBER).write_text("7")


def test_data_that_change_on_their_way_are_refused(driver) -> None:
    driver.keeper.data_listing.remote()
    (driver.data / "deep" / "large").write_bytes(bytes(2**21))
    with marked(driver.state, driver.data) as files:
        access = FileAccess(unseen(files), driver.keeper)
        at_hand = access.at_hand(spec(MovableTask(driver.data)), driver.trial)
        with pytest.raises(DataError, match="deep/large: changed while it was copied"), at_hand:
            pass
    assert not [file for file in driver.node.iterdir() if file.is_dir()]


REPORT = NodeReport({"torch": "2.13.0"}, "/here/mlpf_hpo", "d", True, True, True, 2**30)


@pytest.mark.parametrize(
    ("changed", "task", "message"),
    [
        ({"digest": "e"}, DataTask, "import another copy of the package, /here/mlpf_hpo; remove it there"),
        ({"versions": {}}, DataTask, "lacks torch 2.13.0; install the package there"),
        (
            {"sees_data": False, "can_move_data": False},
            DataTask,
            "does not see .*data, the data of kept; put",
        ),
        (
            {"sees_data": False, "free_bytes": 2**20},
            MovableTask,
            r"lacks room for 2\.0 MiB of data, it has 1\.0",
        ),
    ],
)
def test_a_node_that_lacks_something_is_named(driver, changed, task, message: str, monkeypatch) -> None:
    import dataclasses

    from mlpf_hpo.tuning import cluster_nodes

    report = dataclasses.replace(REPORT, **changed)
    monkeypatch.setattr(cluster_nodes, "report_of_node", lambda task, files: REPORT)
    monkeypatch.setattr(cluster_nodes, "own_node", lambda: "a")
    monkeypatch.setattr(NodeChecks, "_ask", lambda self, nodes: [REPORT, report])
    nodes = [ClusterNode("a", "alpha (a)", Node(1, 0)), ClusterNode("b", "beta (b)", Node(1, 0))]
    with marked(driver.state, driver.data) as files:
        with pytest.raises(
            ConfigurationError, match=rf"^node beta \(b\): (its workers )?{message}[^\n]*`ray stop`"
        ):
            NodeChecks(task(driver.data), files).check(nodes)
        report = dataclasses.replace(REPORT, sees_state=False)
        NodeChecks(task(driver.data), files).check(nodes)
        monkeypatch.setattr(cluster_nodes, "own_node", lambda: "b")
        with pytest.raises(ConfigurationError, match="node of the Ray cluster on this machine does not see"):
            NodeChecks(task(driver.data), files).check(nodes)


def test_the_code_of_a_task() -> None:
    assert task_code(QuickTask()) == Path(__file__).resolve().parents[1]
    assert task_code(SimpleNamespace()) is None, "of the standard library"
    assert len(package_digest()) == 16
