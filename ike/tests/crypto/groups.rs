//! Key exchange methods: values of RFC 5903 and of another implementation, and every public value that RFC 6989 refuses.

use ike::crypto::algorithms::KEY_EXCHANGE;
use ike::crypto::{CryptoError, KeyExchangeAlgorithm, SystemRandom, standard};
use ike::wire::numbers::KeyExchangeMethod;
use serde_json::Value;

use crate::support::{Fixed, field, json};

fn method(id: KeyExchangeMethod) -> &'static dyn KeyExchangeAlgorithm {
    standard().key_exchange(id).unwrap()
}

fn modp_groups() -> Vec<(&'static dyn KeyExchangeAlgorithm, Value)> {
    let file = json("modp.json");
    let groups = file["groups"].as_array().unwrap().iter();
    let with_method = |group: &Value| {
        let number = u16::try_from(group["group"].as_u64().unwrap()).unwrap();
        (method(KeyExchangeMethod(number)), group.clone())
    };
    groups.map(with_method).collect()
}

#[test]
fn every_modp_group_agrees_as_another_implementation_does() {
    let mut count = 0;
    for (method, group) in modp_groups() {
        for case in group["cases"].as_array().unwrap() {
            for (private, ours, theirs) in [("i", "gi", "gr"), ("r", "gr", "gi")] {
                let mut random = Fixed(field(case, private));
                let key = method.generate(&mut random).unwrap();
                assert_eq!(key.public_value(), field(case, ours));
                let shared = key.agree(&field(case, theirs)).unwrap();
                assert_eq!(shared.as_bytes(), field(case, "shared"));
                count += 1;
            }
        }
    }
    println!("MODP: {count} agreements in seven groups");
    assert_eq!(count, 2 * (7 + 2 * 3));
}

#[test]
fn rfc6989_every_modp_group_refuses_values_outside_2_to_p_minus_2() {
    for (method, group) in modp_groups() {
        let agree = |peer: &[u8]| {
            let key = method.generate(&mut SystemRandom::new()).unwrap();
            key.agree(peer).map(|secret| secret.len())
        };
        let prime = field(&group, "prime");
        let length = prime.len();
        assert_eq!(length, method.public_length());
        let number = |last: u8| [vec![0; length - 1], vec![last]].concat();
        // p ends in ff: what is below it by less than 256 differs in the last byte alone.
        let below = |less: u8| [&prime[..length - 1], &[0xff - less]].concat();
        let mut above = vec![0xff; length];
        above[length - 1] = 0xfe;
        let refused = Err(CryptoError::PublicValue(method.method()));
        for value in [
            number(0),
            number(1),
            below(1),
            below(0),
            above,
            vec![0xff; length],
        ] {
            assert_eq!(agree(&value), refused);
        }
        for value in [number(2), below(2)] {
            assert_eq!(agree(&value), Ok(length));
        }
        for actual in [0, 1, length - 1, length + 1, 2 * length] {
            let expected = CryptoError::PublicValueLength {
                method: method.method(),
                expected: length,
                actual,
            };
            assert_eq!(agree(&vec![2; actual]), Err(expected));
        }
    }
}

#[test]
fn two_fresh_keys_of_every_method_agree_and_differ_from_the_next() {
    for row in KEY_EXCHANGE {
        let method = method(row.id);
        let generate = || method.generate(&mut SystemRandom::new()).unwrap();
        let (i, r, other) = (generate(), generate(), generate());
        assert_eq!(i.public_value().len(), row.public_length);
        assert_ne!(i.public_value(), other.public_value());
        let (gi, gr) = (i.public_value().to_vec(), r.public_value().to_vec());
        let shared = i.agree(&gr).unwrap();
        assert_eq!(shared, r.agree(&gi).unwrap(), "{}", row.id);
        assert_ne!(shared, other.agree(&gi).unwrap(), "{}", row.id);
    }
}

#[test]
fn rfc5903_ecp521_agrees_as_in_section_8_3() {
    let file = json("rfc5903.json");
    let group = &file["groups"]["521-Bit Random ECP Group"];
    let coordinate = |name| {
        let bytes = field(group, name);
        [vec![0; 66 - bytes.len()], bytes].concat()
    };
    let point = |x, y| [coordinate(x), coordinate(y)].concat();
    for (private, ours, theirs) in [
        ("i", point("gix", "giy"), point("grx", "gry")),
        ("r", point("grx", "gry"), point("gix", "giy")),
    ] {
        let mut random = Fixed(coordinate(private));
        let key = method(KeyExchangeMethod::ECP_521)
            .generate(&mut random)
            .unwrap();
        assert_eq!(key.public_value(), ours);
        let shared = key.agree(&theirs).unwrap();
        assert_eq!(shared.as_bytes(), coordinate("girx"));
    }
    println!("RFC 5903: both sides of section 8.3");
}

#[test]
fn rfc6989_every_ecp_group_refuses_points_off_the_curve_and_coordinates_out_of_range() {
    for id in [
        KeyExchangeMethod::ECP_256,
        KeyExchangeMethod::ECP_384,
        KeyExchangeMethod::ECP_521,
    ] {
        let generate = || method(id).generate(&mut SystemRandom::new()).unwrap();
        let agree = |peer: &[u8]| generate().agree(peer).map(|_| ());
        let public = generate().public_value().to_vec();
        let length = public.len();
        assert_eq!(agree(&public), Ok(()));
        let refused = Err(CryptoError::PublicValue(id));
        let mut off_curve = public.clone();
        off_curve[length - 1] ^= 1;
        let swapped = [&public[length / 2..], &public[..length / 2]].concat();
        // The point at infinity has no encoding of this length; zeros are off the curve.
        let mut out_of_range = public.clone();
        out_of_range[..length / 2].fill(0xff);
        for value in [
            off_curve,
            swapped,
            vec![0; length],
            vec![0xff; length],
            out_of_range,
        ] {
            assert_eq!(agree(&value), refused, "{id}");
        }
        for peer in [
            &[][..],
            &[0],
            &public[..length / 2],
            &public[..length - 1],
            &[&[4], &public[..]].concat(),
        ] {
            let expected = CryptoError::PublicValueLength {
                method: id,
                expected: length,
                actual: peer.len(),
            };
            assert_eq!(agree(peer), Err(expected), "{id}");
        }
    }
}

#[test]
fn ecp521_says_so_where_randomness_yields_no_key() {
    let refused = method(KeyExchangeMethod::ECP_521).generate(&mut Fixed(vec![0; 66]));
    assert_eq!(refused.err(), Some(CryptoError::Randomness));
}
