use proptest::prelude::*;

use super::*;

struct Said {
    from: NodeId,
    to: NodeId,
    nonce: Nonce,
    group: GroupName,
}

fn said() -> Said {
    Said {
        from: NodeId::parse("sockeye-aaaaaaaaaaaaa").unwrap(),
        to: NodeId::parse("sockeye-bbbbbbbbbbbbb").unwrap(),
        nonce: Nonce::parse("n.1").unwrap(),
        group: GroupName::parse("lab-3").unwrap(),
    }
}

impl Said {
    fn question(&self) -> Question<'_> {
        Question {
            method: "GET",
            target: "/films/b%20c.mkv?x=1",
            range: Some("bytes=100-"),
            prove: None,
            from: &self.from,
            to: &self.to,
            nonce: &self.nonce,
            count: 7,
            group: &self.group,
        }
    }
}

fn key() -> GroupKey {
    GroupKey::from_bytes(b"a key of sixteen bytes or more").unwrap()
}

#[test]
fn the_proofs_are_those_that_another_program_makes() {
    // Made with Python: hmac.new(key, "".join(line + "\n" for line in lines).encode(), "sha256").
    assert_eq!(
        key().sign(&said().question()).to_string(),
        "c5565efe08ad09e591fa1daa8856da7e69766ba65e86cb478e29de7e2b35399d"
    );
    let said = said();
    let challenge = Challenge::parse("000102030405060708090a0b0c0d0e0f").unwrap();
    let (id, nonce, group) = (&said.to, &said.nonce, &said.group);
    let hello = Hello { id, challenge: &challenge, nonce, group };
    let proof = key().sign_hello(&hello);
    assert_eq!(
        proof.to_string(),
        "2195b026b2ed160e4cee7474c425c0c97dfbf1c4e37331f2ce8ce8058a285de3"
    );
    assert!(key().verify_hello(&hello, &proof));
    let other = Challenge::new([0; 16]);
    assert!(!key().verify_hello(&Hello { challenge: &other, ..hello }, &proof));
}

#[test]
fn a_proof_holds_to_every_part_of_the_question() {
    let said = said();
    let other = Said {
        from: NodeId::from_random([1; 8]),
        to: NodeId::from_random([2; 8]),
        nonce: Nonce::parse("n.2").unwrap(),
        group: GroupName::parse("lab-4").unwrap(),
    };
    let question = said.question();
    let proof = key().sign(&question);
    assert!(key().verify(&question, &proof));
    for changed in [
        Question { method: "HEAD", ..question },
        Question { target: "/films/b c.mkv?x=1", ..question },
        Question { range: None, ..question },
        Question { range: None, prove: question.range, ..question },
        Question { prove: Some("bytes=0-99"), ..question },
        Question { from: &other.from, ..question },
        Question { to: &other.to, ..question },
        Question { from: question.to, to: question.from, ..question },
        Question { nonce: &other.nonce, ..question },
        Question { count: 8, ..question },
        Question { group: &other.group, ..question },
    ] {
        assert!(!key().verify(&changed, &proof), "{changed:?}");
    }
    let absent = Question { prove: Some(""), ..question };
    assert!(key().verify(&absent, &proof), "an empty field is an absent one");
}

#[test]
fn another_key_proves_nothing() {
    let said = said();
    let proof = key().sign(&said.question());
    let other = GroupKey::from_bytes(b"another key of sixteen bytes or more").unwrap();
    assert!(!other.verify(&said.question(), &proof));
    assert_ne!(other.sign(&said.question()), proof);
}

#[test]
fn no_line_end_within_a_part_makes_two_questions_look_alike() {
    let said = said();
    let question = Question { target: "/a\nb", range: None, ..said.question() };
    let shifted = Question { target: "/a", range: Some("b"), prove: None, ..said.question() };
    for question in [question, Question { target: "/a", range: Some("b\n"), ..shifted }] {
        assert!(!key().verify(&question, &key().sign(&question)), "{question:?}");
    }
}

#[test]
fn a_key_is_the_files_bytes_without_the_white_space_around_them() {
    let plain = key().sign(&said().question());
    let with_line_end = GroupKey::from_bytes(b"\n a key of sixteen bytes or more\r\n").unwrap();
    assert_eq!(with_line_end.sign(&said().question()), plain);
    assert!(GroupKey::from_bytes(&[0xff; 16]).is_ok(), "any bytes");
    let error = |bytes: usize| GroupKey::from_bytes(&vec![b'k'; bytes]).err();
    assert_eq!(error(15), Some(GroupKeyError::TooShort(15)));
    assert_eq!((error(16), error(1024)), (None, None));
    assert_eq!(error(1025), Some(GroupKeyError::TooLong(1025)));
    let blank = GroupKey::from_bytes(b"                       \n").unwrap_err();
    assert_eq!(blank, GroupKeyError::TooShort(0));
}

#[test]
fn a_groups_name_needs_no_escape_in_quotes() {
    for text in ["a", "lab-3", "~!@#$%^&*()'=;/<>", &"x".repeat(64)] {
        assert_eq!(GroupName::parse(text).unwrap().as_str(), text);
    }
    assert_eq!(GroupName::parse(""), Err(GroupNameError::Length(0)));
    assert_eq!(GroupName::parse(&"x".repeat(65)), Err(GroupNameError::Length(65)));
    for text in ["a b", "a\"", "a\\", "a,b", "é", "a\n", "\u{7f}"] {
        assert_eq!(GroupName::parse(text), Err(GroupNameError::Character), "{text:?}");
    }
}

#[test]
fn the_key_is_in_no_log() {
    assert_eq!(format!("{:?}", key()), "GroupKey(..)");
}

fn signed() -> Claim {
    let said = said();
    let proof = key().sign(&said.question());
    let Said { from, to, nonce, group } = said;
    Claim { group, from, to, signature: Some(Signature { nonce, count: 7, proof }) }
}

#[test]
fn a_claim_is_read_as_it_was_written_and_proves_its_question() {
    let claim = Claim::parse(&signed().to_string()).unwrap();
    assert_eq!(claim, signed());
    let question = claim.question("GET", "/films/b%20c.mkv?x=1", Some("bytes=100-"), None);
    let proof = &claim.signature.as_ref().unwrap().proof;
    assert!(key().verify(&question.unwrap(), proof));
    let other = claim.question("GET", "/films/other", Some("bytes=100-"), None);
    assert!(!key().verify(&other.unwrap(), proof));
}

#[test]
fn a_claim_may_be_written_in_other_ways() {
    let from_to = "from=sockeye-aaaaaaaaaaaaa,to=sockeye-bbbbbbbbbbbbb";
    for field in [
        format!("{from_to},group=lab-3"),
        format!("group=\"lab-3\",{from_to}"),
        format!("\t group = \"lab-3\" , {from_to} "),
        format!("group=\"lab-3\", later=\"a, b=c\", {from_to}"),
    ] {
        let claim = Claim::parse(&field);
        assert_eq!(claim.as_ref().map(|claim| claim.group.as_str()), Some("lab-3"), "{field}");
        assert_eq!(claim.unwrap().signature, None, "{field}");
    }
}

#[test]
fn a_claim_that_is_not_whole_is_none() {
    let whole = signed().to_string();
    let parts: Vec<&str> = whole.split(", ").collect();
    for left_out in &parts {
        let rest: Vec<&str> = parts.iter().copied().filter(|part| part != left_out).collect();
        assert_eq!(Claim::parse(&rest.join(", ")), None, "without {left_out}");
        assert_eq!(Claim::parse(&format!("{whole}, {left_out}")), None, "with two {left_out}");
    }
    for (right, wrong) in [
        ("count=7", "count=0"),
        ("count=7", "count=07"),
        ("count=7", "count=+7"),
        ("count=7", "count="),
        ("count=7", "count=18446744073709551616"),
        ("proof=c5", "proof=c"),
        ("proof=c5", "proof=g5"),
        ("nonce=n.1", "nonce=n 1"),
        ("from=sockeye-", "from=Sockeye-"),
        ("group=\"lab-3\"", "group=\"lab-3"),
        ("group=\"lab-3\"", "group=\"\""),
        ("from=", "from:"),
    ] {
        let field = whole.replace(right, wrong);
        assert_ne!(field, whole);
        assert_eq!(Claim::parse(&field), None, "{field}");
    }
    let long = format!("{whole}, later={}", "x".repeat(1_024));
    assert_eq!(Claim::parse(&long), None);
    assert_eq!(Claim::parse(""), None);
}

proptest! {
    #[test]
    fn whatever_is_read_as_a_claim_is_written_as_one(
        field in "(group=\"?[a-c]{1,2}\"?|from=sockeye-[a-b]{13}|to=sockeye-[a-b]{13}|nonce=[a-c]|count=[0-9]{1,2}|proof=[0-9a-f]{64}|, ?| |=){0,12}",
    ) {
        if let Some(claim) = Claim::parse(&field) {
            prop_assert_eq!(Claim::parse(&claim.to_string()), Some(claim));
        }
    }

    #[test]
    fn every_claim_is_read_back(
        group in "[!#-+\\--\\[\\]-~]{1,64}", from: [u8; 8], to: [u8; 8],
        signature in prop::option::of(("[A-Za-z0-9_.-]{1,128}", 1_u64.., any::<[u8; 32]>())),
    ) {
        let claim = Claim {
            group: GroupName::parse(&group).unwrap(),
            from: NodeId::from_random(from),
            to: NodeId::from_random(to),
            signature: signature.map(|(nonce, count, proof)| Signature {
                nonce: Nonce::parse(&nonce).unwrap(),
                count,
                proof: Proof(proof),
            }),
        };
        prop_assert_eq!(Claim::parse(&claim.to_string()), Some(claim));
    }

    #[test]
    fn every_wrong_byte_makes_a_proof_wrong(at in 0_usize..32, by in 1_u8..) {
        let said = said();
        let mut proof = key().sign(&said.question());
        proof.0[at] ^= by;
        prop_assert!(!key().verify(&said.question(), &proof));
    }
}
