//! Names that only people need: numbers of the registries beside those in [`crate::wire::numbers`].

use crate::wire::numbers::{
    Encryption, GroupControllerAuthentication, Integrity, KeyExchangeMethod, KeyWrap, Prf,
    SequenceNumbers, TransformType,
};

/// Declares functions that give the name of a number.
macro_rules! names {
    ($($(#[$doc:meta])* $function:ident($int:ty) { $($number:literal $name:literal,)* })*) => {
        $(
            $(#[$doc])*
            pub(super) fn $function(number: $int) -> Option<&'static str> {
                match number {
                    $($number => Some($name),)*
                    _ => None,
                }
            }
        )*
    };
}

names! {
    /// Titles of payloads, RFC 7296 section 3.2 and later RFCs.
    payload(u8) {
        33 "Security Association (SA)",
        34 "Key Exchange (KE)",
        35 "Identification - Initiator (IDi)",
        36 "Identification - Responder (IDr)",
        37 "Certificate (CERT)",
        38 "Certificate Request (CERTREQ)",
        39 "Authentication (AUTH)",
        40 "Nonce",
        41 "Notify (N)",
        42 "Delete (D)",
        43 "Vendor ID (V)",
        44 "Traffic Selector - Initiator (TSi)",
        45 "Traffic Selector - Responder (TSr)",
        46 "Encrypted and Authenticated (SK)",
        47 "Configuration (CP)",
        48 "Extensible Authentication (EAP)",
        49 "Generic Secure Password Method (GSPM)",
        50 "Group Identification (IDg)",
        51 "Group Security Association (GSA)",
        52 "Key Download (KD)",
        53 "Encrypted and Authenticated Fragment (SKF)",
        54 "Puzzle Solution (PS)",
    }
    /// Payloads of IKEv1, RFC 2408 section 3.1 and RFC 3947 section 6.
    ikev1_payload(u8) {
        0 "NONE",
        1 "SA",
        2 "P",
        3 "T",
        4 "KE",
        5 "ID",
        6 "CERT",
        7 "CR",
        8 "HASH",
        9 "SIG",
        10 "NONCE",
        11 "N",
        12 "D",
        13 "VID",
        14 "Attributes",
        20 "NAT-D",
        21 "NAT-OA",
    }
    /// Exchange types of IKEv1, RFC 2408 section 3.1 and RFC 2409.
    ikev1_exchange(u8) {
        1 "Base",
        2 "Identity Protection (Main Mode)",
        3 "Authentication Only",
        4 "Aggressive",
        5 "Informational",
        6 "Transaction",
        32 "Quick Mode",
        33 "New Group Mode",
    }
    /// IPComp transforms, RFC 7296 section 3.10.1.
    ipcomp(u8) {
        1 "IPCOMP_OUI",
        2 "IPCOMP_DEFLATE",
        3 "IPCOMP_LZS",
        4 "IPCOMP_LZJH",
    }
    /// How a REDIRECT names a gateway, RFC 5685 section 9.2.
    gateway(u8) {
        1 "IPv4 address",
        2 "IPv6 address",
        3 "FQDN",
    }
    /// ROHC attributes, RFC 5857 section 3.1.2.
    rohc_attribute(u16) {
        1 "MAX_CID",
        2 "ROHC_PROFILE",
        3 "ROHC_INTEG",
        4 "ROHC_ICV_LEN",
        5 "MRRU",
    }
    /// Secure password methods, RFC 6467 section 5.
    password_method(u16) {
        1 "PACE",
        2 "AugPAKE",
        3 "Secure PSK Authentication",
    }
    /// Types of PPK_ID, RFC 8784 section 5.1.
    ppk_id(u8) {
        1 "PPK_ID_OPAQUE",
        2 "PPK_ID_FIXED",
    }
    /// DNSSEC algorithms in use, RFC 8624 section 3.1.
    dnssec_algorithm(u8) {
        5 "RSASHA1",
        7 "RSASHA1-NSEC3-SHA1",
        8 "RSASHA256",
        10 "RSASHA512",
        13 "ECDSAP256SHA256",
        14 "ECDSAP384SHA384",
        15 "ED25519",
        16 "ED448",
    }
    /// Digest types of DS records, RFC 8624 section 3.3.
    ds_digest(u8) {
        1 "SHA-1",
        2 "SHA-256",
        4 "SHA-384",
    }
    /// EAP codes, RFC 3748 section 4 and RFC 6696 section 5.3.
    eap_code(u8) {
        1 "Request",
        2 "Response",
        3 "Success",
        4 "Failure",
        5 "Initiate",
        6 "Finish",
    }
    /// EAP methods, RFC 3748 section 5 and IANA's registry.
    eap_type(u8) {
        1 "Identity",
        2 "Notification",
        3 "Legacy Nak",
        4 "MD5-Challenge",
        5 "One-Time Password (OTP)",
        6 "Generic Token Card (GTC)",
        9 "RSA Public Key Authentication",
        10 "DSS Unilateral",
        11 "KEA",
        12 "KEA-VALIDATE",
        13 "EAP-TLS",
        14 "Defender Token (AXENT)",
        15 "RSA Security SecurID EAP",
        16 "Arcot Systems EAP",
        17 "EAP-Cisco Wireless (LEAP)",
        18 "EAP-SIM",
        19 "SRP-SHA1",
        21 "EAP-TTLS",
        22 "Remote Access Service",
        23 "EAP-AKA",
        24 "EAP-3Com Wireless",
        25 "PEAP",
        26 "EAP-MSCHAPv2",
        27 "MAKE",
        28 "CRYPTOCard",
        29 "MS-CHAP-V2 (Cisco)",
        30 "DynamID",
        31 "Rob EAP",
        32 "Protected One-Time Password",
        33 "MS-Authentication-TLV",
        34 "SentriNET",
        35 "EAP-Actiontec Wireless",
        36 "Cogent Systems Biometrics Authentication EAP",
        37 "AirFortress EAP",
        38 "EAP-HTTP Digest",
        39 "SecureSuite EAP",
        40 "DeviceConnect EAP",
        41 "EAP-SPEKE",
        42 "EAP-MOBAC",
        43 "EAP-FAST",
        44 "ZoneLabs EAP",
        45 "EAP-Link",
        46 "EAP-PAX",
        47 "EAP-PSK",
        48 "EAP-SAKE",
        49 "EAP-IKEv2",
        50 "EAP-AKA'",
        51 "EAP-GPSK",
        52 "EAP-pwd",
        53 "EAP-EKE v1",
        54 "EAP method for PT-EAP",
        55 "TEAP",
        56 "EAP-NOOB",
        254 "Expanded",
        255 "Experimental",
    }
    /// What an EAP-MSCHAPv2 message is.
    mschapv2(u8) {
        1 "Challenge",
        2 "Response",
        3 "Success",
        4 "Failure",
        7 "Change-Password",
    }
    /// IP protocols that meet IPsec, from IANA's registry.
    ip_protocol(u8) {
        0 "any",
        1 "ICMP",
        2 "IGMP",
        4 "IPv4",
        6 "TCP",
        8 "EGP",
        17 "UDP",
        27 "RDP",
        33 "DCCP",
        41 "IPv6",
        43 "IPv6-Route",
        44 "IPv6-Frag",
        46 "RSVP",
        47 "GRE",
        50 "ESP",
        51 "AH",
        58 "ICMPv6",
        59 "IPv6-NoNxt",
        60 "IPv6-Opts",
        88 "EIGRP",
        89 "OSPF",
        94 "IPIP",
        97 "EtherIP",
        103 "PIM",
        108 "IPComp",
        112 "VRRP",
        115 "L2TP",
        132 "SCTP",
        133 "FC",
        135 "Mobility Header",
        136 "UDPLite",
        137 "MPLS-in-IP",
        139 "HIP",
        140 "Shim6",
        142 "ROHC",
    }
    /// ICMP types that are in use.
    icmp(u8) {
        0 "Echo Reply",
        3 "Destination Unreachable",
        5 "Redirect",
        8 "Echo",
        9 "Router Advertisement",
        10 "Router Solicitation",
        11 "Time Exceeded",
        12 "Parameter Problem",
        13 "Timestamp",
        14 "Timestamp Reply",
    }
    /// ICMPv6 types that are in use.
    icmpv6(u8) {
        1 "Destination Unreachable",
        2 "Packet Too Big",
        3 "Time Exceeded",
        4 "Parameter Problem",
        128 "Echo Request",
        129 "Echo Reply",
        130 "Multicast Listener Query",
        131 "Multicast Listener Report",
        132 "Multicast Listener Done",
        133 "Router Solicitation",
        134 "Router Advertisement",
        135 "Neighbor Solicitation",
        136 "Neighbor Advertisement",
        137 "Redirect Message",
        143 "Multicast Listener Report v2",
    }
    /// Types of Mobility Headers, RFC 6275 section 6.1.
    mobility_header(u8) {
        0 "Binding Refresh Request",
        1 "Home Test Init",
        2 "Care-of Test Init",
        3 "Home Test",
        4 "Care-of Test",
        5 "Binding Update",
        6 "Binding Acknowledgement",
        7 "Binding Error",
    }
}

/// A key exchange method.
pub(super) fn key_exchange(method: u16) -> Option<&'static str> {
    KeyExchangeMethod(method).name()
}

/// A transform, which is numbered within its type.
pub(super) fn transform(kind: TransformType, id: u16) -> Option<&'static str> {
    match kind {
        TransformType::ENCR => Encryption(id).name(),
        TransformType::PRF => Prf(id).name(),
        TransformType::INTEG => Integrity(id).name(),
        TransformType::KE => key_exchange(id),
        TransformType::ESN => SequenceNumbers(id).name(),
        TransformType::KWA => KeyWrap(id).name(),
        TransformType::GCAUTH => GroupControllerAuthentication(id).name(),
        TransformType(kind)
            if (TransformType::ADDKE1.0..=TransformType::ADDKE7.0).contains(&kind) =>
        {
            key_exchange(id)
        }
        _ => None,
    }
}

/// The names of the bits that are set.
pub(super) fn bits(octet: u8, names: &[(u8, &str)]) -> String {
    let set: Vec<_> = names
        .iter()
        .filter(|(bit, _)| octet & bit != 0)
        .map(|(_, name)| *name)
        .collect();
    if set.is_empty() {
        "none".into()
    } else {
        set.join(", ")
    }
}
