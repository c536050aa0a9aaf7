from engine.kernel.mounts import Mount, Tree, read_mounts


def mount(number: int, parent: int, target: str) -> Mount:
    return Mount(number, parent, "/", target, frozenset(), "tmpfs", "x", frozenset())


def test_finds_the_deepest_and_of_several_at_one_place_the_last() -> None:
    root, run, over = mount(1, 0, "/"), mount(2, 1, "/run"), mount(3, 2, "/run")
    tree = Tree([root, run, over])
    assert tree.find("/") is root
    assert tree.find("/run") is over
    assert tree.find("/run/x/y") is over
    assert tree.find("/running") is root


def test_what_a_later_mount_covers_is_not_found() -> None:
    root, sys, deep = mount(1, 0, "/"), mount(2, 1, "/sys"), mount(3, 2, "/sys/fs/cgroup")
    cover = mount(4, 2, "/sys")
    tree = Tree([root, sys, deep, cover])
    assert tree.find("/sys/fs/cgroup") is cover


def test_a_mount_over_the_root_hides_all() -> None:
    root, old, new = mount(1, 0, "/"), mount(2, 1, "/a"), mount(3, 1, "/")
    assert Tree([root, old, new]).find("/a") is new


def test_without_mounts_nothing_is_found() -> None:
    assert Tree([]).find("/a") is None


def test_every_path_of_this_process_lies_somewhere() -> None:
    tree = Tree(read_mounts())
    found = tree.find("/proc/self")
    assert found is not None
    assert found.fstype == "proc"
