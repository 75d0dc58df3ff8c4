from edgedistill.calibrate.bundle.sums import file_sha256, write_sums

# FIPS 180-2, appendix B.1, and the digest of nothing.
OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_line_a_file_in_the_order_of_their_names(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.txt").write_bytes(b"abc")
    (tmp_path / "b.txt").write_bytes(b"")
    write_sums(tmp_path, ["inner/a.txt", "b.txt"])
    written = (tmp_path / "SHA256SUMS").read_bytes()
    assert written == f"{OF_NOTHING}  b.txt\n{OF_ABC}  inner/a.txt\n".encode()


def test_the_digest_of_a_file(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert file_sha256(tmp_path / "x") == OF_ABC
