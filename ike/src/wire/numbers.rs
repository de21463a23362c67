//! The numbers IANA keeps for IKEv2, as newtypes that keep unknown values.
//!
//! Each number prints as its registry name, or as `name(number)` where we do not know it: a peer may send any value, and
//! a value we do not know is data to be kept and reported, not an error. RFC 7296 section 3 and the RFCs named beside
//! the values.

/// Declares a newtype over a number with named values, `Display` and `Debug` by name, and `name()`.
macro_rules! iana {
    ($(#[$doc:meta])* $name:ident($int:ty) { $($(#[$vdoc:meta])* $value:ident = $number:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub $int);

        impl $name {
            $(
                #[doc = concat!("`", $text, "`, ", stringify!($number), ".")]
                $(#[$vdoc])*
                pub const $value: Self = Self($number);
            )*

            /// Every value that has a name, in the order of the registry.
            pub const KNOWN: &'static [Self] = &[$(Self($number),)*];

            /// The registry's name, where the value has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, concat!(stringify!($name), "({})"), self.0),
                }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    };
}

iana! {
    /// Exchange type, RFC 7296 section 3.1.
    ExchangeType(u8) {
        IKE_SA_INIT = 34 "IKE_SA_INIT",
        IKE_AUTH = 35 "IKE_AUTH",
        CREATE_CHILD_SA = 36 "CREATE_CHILD_SA",
        INFORMATIONAL = 37 "INFORMATIONAL",
        /// RFC 5723.
        IKE_SESSION_RESUME = 38 "IKE_SESSION_RESUME",
        /// RFC 9838.
        GSA_AUTH = 39 "GSA_AUTH",
        /// RFC 9838.
        GSA_REGISTRATION = 40 "GSA_REGISTRATION",
        /// RFC 9838.
        GSA_REKEY = 41 "GSA_REKEY",
        /// RFC 9838.
        GSA_INBAND_REKEY = 42 "GSA_INBAND_REKEY",
        /// RFC 9242.
        IKE_INTERMEDIATE = 43 "IKE_INTERMEDIATE",
        /// RFC 9370.
        IKE_FOLLOWUP_KE = 44 "IKE_FOLLOWUP_KE",
    }
}

iana! {
    /// Payload type, RFC 7296 section 3.2.
    PayloadType(u8) {
        NONE = 0 "NONE",
        SA = 33 "SA",
        KE = 34 "KE",
        IDI = 35 "IDi",
        IDR = 36 "IDr",
        CERT = 37 "CERT",
        CERTREQ = 38 "CERTREQ",
        AUTH = 39 "AUTH",
        NONCE = 40 "NONCE",
        NOTIFY = 41 "N",
        DELETE = 42 "D",
        VENDOR_ID = 43 "V",
        TSI = 44 "TSi",
        TSR = 45 "TSr",
        SK = 46 "SK",
        CP = 47 "CP",
        EAP = 48 "EAP",
        /// Generic Secure Password Method, RFC 6467.
        GSPM = 49 "GSPM",
        /// Group Identification, RFC 9838.
        IDG = 50 "IDg",
        /// Group Security Association, RFC 9838.
        GSA = 51 "GSA",
        /// Key Download, RFC 9838.
        KD = 52 "KD",
        /// RFC 7383.
        SKF = 53 "SKF",
        /// Puzzle solution, RFC 8019.
        PS = 54 "PS",
    }
}

iana! {
    /// Security protocol identifier, RFC 7296 section 3.3.1.
    ProtocolId(u8) {
        /// Used in notifies that concern no SA.
        NONE = 0 "NONE",
        IKE = 1 "IKE",
        AH = 2 "AH",
        ESP = 3 "ESP",
        /// RFC 4595.
        FC_ESP_HEADER = 4 "FC_ESP_HEADER",
        /// RFC 4595.
        FC_CT_AUTHENTICATION = 5 "FC_CT_AUTHENTICATION",
        /// RFC 9838.
        GIKE_UPDATE = 6 "GIKE_UPDATE",
    }
}

iana! {
    /// Transform type, RFC 7296 section 3.3.2 and RFC 9370.
    TransformType(u8) {
        ENCR = 1 "ENCR",
        PRF = 2 "PRF",
        INTEG = 3 "INTEG",
        KE = 4 "KE",
        ESN = 5 "ESN",
        ADDKE1 = 6 "ADDKE1",
        ADDKE2 = 7 "ADDKE2",
        ADDKE3 = 8 "ADDKE3",
        ADDKE4 = 9 "ADDKE4",
        ADDKE5 = 10 "ADDKE5",
        ADDKE6 = 11 "ADDKE6",
        ADDKE7 = 12 "ADDKE7",
        /// Key Wrap Algorithm, RFC 9838.
        KWA = 13 "KWA",
        /// Group Controller Authentication Method, RFC 9838.
        GCAUTH = 14 "GCAUTH",
    }
}

iana! {
    /// Transform attribute type without its format bit, RFC 7296 section 3.3.5.
    AttributeType(u16) {
        KEY_LENGTH = 14 "KEY_LENGTH",
        /// RFC 9838.
        SIGNATURE_ALGORITHM_IDENTIFIER = 18 "SIGNATURE_ALGORITHM_IDENTIFIER",
    }
}

iana! {
    /// Transform type 1, encryption algorithms.
    Encryption(u16) {
        DES_IV64 = 1 "DES_IV64",
        DES = 2 "DES",
        TRIPLE_DES = 3 "3DES",
        RC5 = 4 "RC5",
        IDEA = 5 "IDEA",
        CAST = 6 "CAST",
        BLOWFISH = 7 "BLOWFISH",
        TRIPLE_IDEA = 8 "3IDEA",
        DES_IV32 = 9 "DES_IV32",
        NULL = 11 "NULL",
        AES_CBC = 12 "AES_CBC",
        AES_CTR = 13 "AES_CTR",
        AES_CCM_8 = 14 "AES_CCM_8",
        AES_CCM_12 = 15 "AES_CCM_12",
        AES_CCM_16 = 16 "AES_CCM_16",
        AES_GCM_8 = 18 "AES_GCM_8",
        AES_GCM_12 = 19 "AES_GCM_12",
        AES_GCM_16 = 20 "AES_GCM_16",
        NULL_AUTH_AES_GMAC = 21 "NULL_AUTH_AES_GMAC",
        CAMELLIA_CBC = 23 "CAMELLIA_CBC",
        CAMELLIA_CTR = 24 "CAMELLIA_CTR",
        CAMELLIA_CCM_8 = 25 "CAMELLIA_CCM_8",
        CAMELLIA_CCM_12 = 26 "CAMELLIA_CCM_12",
        CAMELLIA_CCM_16 = 27 "CAMELLIA_CCM_16",
        CHACHA20_POLY1305 = 28 "CHACHA20_POLY1305",
        /// RFC 8750, as the next two.
        AES_CCM_8_IIV = 29 "AES_CCM_8_IIV",
        AES_GCM_16_IIV = 30 "AES_GCM_16_IIV",
        CHACHA20_POLY1305_IIV = 31 "CHACHA20_POLY1305_IIV",
        /// RFC 9227, as the next three.
        KUZNYECHIK_MGM_KTREE = 32 "KUZNYECHIK_MGM_KTREE",
        MAGMA_MGM_KTREE = 33 "MAGMA_MGM_KTREE",
        KUZNYECHIK_MGM_MAC_KTREE = 34 "KUZNYECHIK_MGM_MAC_KTREE",
        MAGMA_MGM_MAC_KTREE = 35 "MAGMA_MGM_MAC_KTREE",
    }
}

iana! {
    /// Transform type 2, pseudorandom functions.
    Prf(u16) {
        HMAC_MD5 = 1 "HMAC_MD5",
        HMAC_SHA1 = 2 "HMAC_SHA1",
        HMAC_TIGER = 3 "HMAC_TIGER",
        AES128_XCBC = 4 "AES128_XCBC",
        HMAC_SHA2_256 = 5 "HMAC_SHA2_256",
        HMAC_SHA2_384 = 6 "HMAC_SHA2_384",
        HMAC_SHA2_512 = 7 "HMAC_SHA2_512",
        AES128_CMAC = 8 "AES128_CMAC",
        /// RFC 9385.
        HMAC_STREEBOG_512 = 9 "HMAC_STREEBOG_512",
    }
}

iana! {
    /// Transform type 3, integrity algorithms.
    Integrity(u16) {
        NONE = 0 "NONE",
        HMAC_MD5_96 = 1 "HMAC_MD5_96",
        HMAC_SHA1_96 = 2 "HMAC_SHA1_96",
        DES_MAC = 3 "DES_MAC",
        KPDK_MD5 = 4 "KPDK_MD5",
        AES_XCBC_96 = 5 "AES_XCBC_96",
        HMAC_MD5_128 = 6 "HMAC_MD5_128",
        HMAC_SHA1_160 = 7 "HMAC_SHA1_160",
        AES_CMAC_96 = 8 "AES_CMAC_96",
        AES_128_GMAC = 9 "AES_128_GMAC",
        AES_192_GMAC = 10 "AES_192_GMAC",
        AES_256_GMAC = 11 "AES_256_GMAC",
        HMAC_SHA2_256_128 = 12 "HMAC_SHA2_256_128",
        HMAC_SHA2_384_192 = 13 "HMAC_SHA2_384_192",
        HMAC_SHA2_512_256 = 14 "HMAC_SHA2_512_256",
    }
}

iana! {
    /// Transform type 4, key exchange methods (called Diffie-Hellman groups before RFC 9370).
    KeyExchangeMethod(u16) {
        NONE = 0 "NONE",
        MODP_768 = 1 "MODP_768",
        MODP_1024 = 2 "MODP_1024",
        MODP_1536 = 5 "MODP_1536",
        MODP_2048 = 14 "MODP_2048",
        MODP_3072 = 15 "MODP_3072",
        MODP_4096 = 16 "MODP_4096",
        MODP_6144 = 17 "MODP_6144",
        MODP_8192 = 18 "MODP_8192",
        ECP_256 = 19 "ECP_256",
        ECP_384 = 20 "ECP_384",
        ECP_521 = 21 "ECP_521",
        MODP_1024_160 = 22 "MODP_1024_160",
        MODP_2048_224 = 23 "MODP_2048_224",
        MODP_2048_256 = 24 "MODP_2048_256",
        ECP_192 = 25 "ECP_192",
        ECP_224 = 26 "ECP_224",
        BRAINPOOL_224 = 27 "BRAINPOOL_224",
        BRAINPOOL_256 = 28 "BRAINPOOL_256",
        BRAINPOOL_384 = 29 "BRAINPOOL_384",
        BRAINPOOL_512 = 30 "BRAINPOOL_512",
        CURVE25519 = 31 "CURVE25519",
        CURVE448 = 32 "CURVE448",
        /// RFC 9385.
        GOST3410_2012_256 = 33 "GOST3410_2012_256",
        /// RFC 9385.
        GOST3410_2012_512 = 34 "GOST3410_2012_512",
        ML_KEM_512 = 35 "ML_KEM_512",
        ML_KEM_768 = 36 "ML_KEM_768",
        ML_KEM_1024 = 37 "ML_KEM_1024",
    }
}

iana! {
    /// Transform type 5, sequence numbers (RFC 9827; called Extended Sequence Numbers before).
    SequenceNumbers(u16) {
        SEQUENTIAL_32 = 0 "NO_ESN",
        EXTENDED_64 = 1 "ESN",
        UNSPECIFIED_32 = 2 "UNSPECIFIED_32",
    }
}

iana! {
    /// Transform type 13, key wrap algorithms, RFC 9838.
    KeyWrap(u16) {
        KW_5649_128 = 1 "KW_5649_128",
        KW_5649_192 = 2 "KW_5649_192",
        KW_5649_256 = 3 "KW_5649_256",
        KW_ARX = 4 "KW_ARX",
    }
}

iana! {
    /// Transform type 14, group controller authentication methods, RFC 9838.
    GroupControllerAuthentication(u16) {
        IMPLICIT = 1 "IMPLICIT",
        DIGITAL_SIGNATURE = 2 "DIGITAL_SIGNATURE",
    }
}

iana! {
    /// Identification type, RFC 7296 section 3.5.
    IdType(u8) {
        IPV4_ADDR = 1 "IPV4_ADDR",
        FQDN = 2 "FQDN",
        RFC822_ADDR = 3 "RFC822_ADDR",
        IPV6_ADDR = 5 "IPV6_ADDR",
        DER_ASN1_DN = 9 "DER_ASN1_DN",
        DER_ASN1_GN = 10 "DER_ASN1_GN",
        KEY_ID = 11 "KEY_ID",
        FC_NAME = 12 "FC_NAME",
        /// RFC 7619.
        NULL = 13 "NULL",
    }
}

iana! {
    /// Certificate encoding, RFC 7296 section 3.6.
    CertEncoding(u8) {
        PKCS7_X509 = 1 "PKCS7_X509",
        PGP = 2 "PGP",
        DNS_SIGNED_KEY = 3 "DNS_SIGNED_KEY",
        X509_SIGNATURE = 4 "X509_SIGNATURE",
        KERBEROS_TOKEN = 6 "KERBEROS_TOKEN",
        CRL = 7 "CRL",
        ARL = 8 "ARL",
        SPKI = 9 "SPKI",
        X509_ATTRIBUTE = 10 "X509_ATTRIBUTE",
        RAW_RSA = 11 "RAW_RSA",
        HASH_URL_X509 = 12 "HASH_URL_X509",
        HASH_URL_BUNDLE = 13 "HASH_URL_BUNDLE",
        /// RFC 4806.
        OCSP_CONTENT = 14 "OCSP_CONTENT",
        /// RFC 7670.
        RAW_PUBLIC_KEY = 15 "RAW_PUBLIC_KEY",
    }
}

iana! {
    /// Authentication method, RFC 7296 section 3.8.
    AuthMethod(u8) {
        RSA_SIGNATURE = 1 "RSA_SIGNATURE",
        SHARED_KEY_MIC = 2 "SHARED_KEY_MIC",
        DSS_SIGNATURE = 3 "DSS_SIGNATURE",
        ECDSA_SHA256_P256 = 9 "ECDSA_SHA256_P256",
        ECDSA_SHA384_P384 = 10 "ECDSA_SHA384_P384",
        ECDSA_SHA512_P521 = 11 "ECDSA_SHA512_P521",
        GSPM = 12 "GSPM",
        /// RFC 7619.
        NULL = 13 "NULL",
        /// RFC 7427.
        DIGITAL_SIGNATURE = 14 "DIGITAL_SIGNATURE",
    }
}

iana! {
    /// Hash algorithm of SIGNATURE_HASH_ALGORITHMS, RFC 7427 section 4.
    HashAlgorithm(u16) {
        SHA1 = 1 "SHA1",
        SHA2_256 = 2 "SHA2_256",
        SHA2_384 = 3 "SHA2_384",
        SHA2_512 = 4 "SHA2_512",
        /// RFC 8420: the signature algorithm hashes by itself (EdDSA).
        IDENTITY = 5 "IDENTITY",
        /// RFC 9385.
        STREEBOG_256 = 6 "STREEBOG_256",
        /// RFC 9385.
        STREEBOG_512 = 7 "STREEBOG_512",
    }
}

iana! {
    /// Notify message type, RFC 7296 section 3.10.1 and the RFCs after it. Below 16384: errors; from there: status.
    NotifyType(u16) {
        UNSUPPORTED_CRITICAL_PAYLOAD = 1 "UNSUPPORTED_CRITICAL_PAYLOAD",
        INVALID_IKE_SPI = 4 "INVALID_IKE_SPI",
        INVALID_MAJOR_VERSION = 5 "INVALID_MAJOR_VERSION",
        INVALID_SYNTAX = 7 "INVALID_SYNTAX",
        INVALID_MESSAGE_ID = 9 "INVALID_MESSAGE_ID",
        INVALID_SPI = 11 "INVALID_SPI",
        NO_PROPOSAL_CHOSEN = 14 "NO_PROPOSAL_CHOSEN",
        INVALID_KE_PAYLOAD = 17 "INVALID_KE_PAYLOAD",
        AUTHENTICATION_FAILED = 24 "AUTHENTICATION_FAILED",
        SINGLE_PAIR_REQUIRED = 34 "SINGLE_PAIR_REQUIRED",
        NO_ADDITIONAL_SAS = 35 "NO_ADDITIONAL_SAS",
        INTERNAL_ADDRESS_FAILURE = 36 "INTERNAL_ADDRESS_FAILURE",
        FAILED_CP_REQUIRED = 37 "FAILED_CP_REQUIRED",
        TS_UNACCEPTABLE = 38 "TS_UNACCEPTABLE",
        INVALID_SELECTORS = 39 "INVALID_SELECTORS",
        UNACCEPTABLE_ADDRESSES = 40 "UNACCEPTABLE_ADDRESSES",
        UNEXPECTED_NAT_DETECTED = 41 "UNEXPECTED_NAT_DETECTED",
        /// RFC 5026.
        USE_ASSIGNED_HOA = 42 "USE_ASSIGNED_HoA",
        TEMPORARY_FAILURE = 43 "TEMPORARY_FAILURE",
        CHILD_SA_NOT_FOUND = 44 "CHILD_SA_NOT_FOUND",
        /// RFC 9838.
        INVALID_GROUP_ID = 45 "INVALID_GROUP_ID",
        /// RFC 9838.
        AUTHORIZATION_FAILED = 46 "AUTHORIZATION_FAILED",
        STATE_NOT_FOUND = 47 "STATE_NOT_FOUND",
        TS_MAX_QUEUE = 48 "TS_MAX_QUEUE",
        /// RFC 9838.
        REGISTRATION_FAILED = 49 "REGISTRATION_FAILED",
        INITIAL_CONTACT = 16384 "INITIAL_CONTACT",
        SET_WINDOW_SIZE = 16385 "SET_WINDOW_SIZE",
        ADDITIONAL_TS_POSSIBLE = 16386 "ADDITIONAL_TS_POSSIBLE",
        IPCOMP_SUPPORTED = 16387 "IPCOMP_SUPPORTED",
        NAT_DETECTION_SOURCE_IP = 16388 "NAT_DETECTION_SOURCE_IP",
        NAT_DETECTION_DESTINATION_IP = 16389 "NAT_DETECTION_DESTINATION_IP",
        COOKIE = 16390 "COOKIE",
        USE_TRANSPORT_MODE = 16391 "USE_TRANSPORT_MODE",
        HTTP_CERT_LOOKUP_SUPPORTED = 16392 "HTTP_CERT_LOOKUP_SUPPORTED",
        REKEY_SA = 16393 "REKEY_SA",
        ESP_TFC_PADDING_NOT_SUPPORTED = 16394 "ESP_TFC_PADDING_NOT_SUPPORTED",
        NON_FIRST_FRAGMENTS_ALSO = 16395 "NON_FIRST_FRAGMENTS_ALSO",
        MOBIKE_SUPPORTED = 16396 "MOBIKE_SUPPORTED",
        ADDITIONAL_IP4_ADDRESS = 16397 "ADDITIONAL_IP4_ADDRESS",
        ADDITIONAL_IP6_ADDRESS = 16398 "ADDITIONAL_IP6_ADDRESS",
        NO_ADDITIONAL_ADDRESSES = 16399 "NO_ADDITIONAL_ADDRESSES",
        UPDATE_SA_ADDRESSES = 16400 "UPDATE_SA_ADDRESSES",
        COOKIE2 = 16401 "COOKIE2",
        NO_NATS_ALLOWED = 16402 "NO_NATS_ALLOWED",
        AUTH_LIFETIME = 16403 "AUTH_LIFETIME",
        MULTIPLE_AUTH_SUPPORTED = 16404 "MULTIPLE_AUTH_SUPPORTED",
        ANOTHER_AUTH_FOLLOWS = 16405 "ANOTHER_AUTH_FOLLOWS",
        REDIRECT_SUPPORTED = 16406 "REDIRECT_SUPPORTED",
        REDIRECT = 16407 "REDIRECT",
        REDIRECTED_FROM = 16408 "REDIRECTED_FROM",
        TICKET_LT_OPAQUE = 16409 "TICKET_LT_OPAQUE",
        TICKET_REQUEST = 16410 "TICKET_REQUEST",
        TICKET_ACK = 16411 "TICKET_ACK",
        TICKET_NACK = 16412 "TICKET_NACK",
        TICKET_OPAQUE = 16413 "TICKET_OPAQUE",
        /// RFC 5739.
        LINK_ID = 16414 "LINK_ID",
        /// RFC 5840.
        USE_WESP_MODE = 16415 "USE_WESP_MODE",
        /// RFC 5857.
        ROHC_SUPPORTED = 16416 "ROHC_SUPPORTED",
        EAP_ONLY_AUTHENTICATION = 16417 "EAP_ONLY_AUTHENTICATION",
        CHILDLESS_IKEV2_SUPPORTED = 16418 "CHILDLESS_IKEV2_SUPPORTED",
        QUICK_CRASH_DETECTION = 16419 "QUICK_CRASH_DETECTION",
        IKEV2_MESSAGE_ID_SYNC_SUPPORTED = 16420 "IKEV2_MESSAGE_ID_SYNC_SUPPORTED",
        IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED = 16421 "IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED",
        IKEV2_MESSAGE_ID_SYNC = 16422 "IKEV2_MESSAGE_ID_SYNC",
        IPSEC_REPLAY_COUNTER_SYNC = 16423 "IPSEC_REPLAY_COUNTER_SYNC",
        /// RFC 6467.
        SECURE_PASSWORD_METHODS = 16424 "SECURE_PASSWORD_METHODS",
        /// RFC 6631.
        PSK_PERSIST = 16425 "PSK_PERSIST",
        /// RFC 6631.
        PSK_CONFIRM = 16426 "PSK_CONFIRM",
        /// RFC 6867.
        ERX_SUPPORTED = 16427 "ERX_SUPPORTED",
        /// 3GPP TS 24.303.
        IFOM_CAPABILITY = 16428 "IFOM_CAPABILITY",
        /// RFC 9838.
        GROUP_SENDER = 16429 "GROUP_SENDER",
        IKEV2_FRAGMENTATION_SUPPORTED = 16430 "IKEV2_FRAGMENTATION_SUPPORTED",
        SIGNATURE_HASH_ALGORITHMS = 16431 "SIGNATURE_HASH_ALGORITHMS",
        /// RFC 7791.
        CLONE_IKE_SA_SUPPORTED = 16432 "CLONE_IKE_SA_SUPPORTED",
        /// RFC 7791.
        CLONE_IKE_SA = 16433 "CLONE_IKE_SA",
        PUZZLE = 16434 "PUZZLE",
        USE_PPK = 16435 "USE_PPK",
        PPK_IDENTITY = 16436 "PPK_IDENTITY",
        NO_PPK_AUTH = 16437 "NO_PPK_AUTH",
        INTERMEDIATE_EXCHANGE_SUPPORTED = 16438 "INTERMEDIATE_EXCHANGE_SUPPORTED",
        IP4_ALLOWED = 16439 "IP4_ALLOWED",
        IP6_ALLOWED = 16440 "IP6_ALLOWED",
        ADDITIONAL_KEY_EXCHANGE = 16441 "ADDITIONAL_KEY_EXCHANGE",
        USE_AGGFRAG = 16442 "USE_AGGFRAG",
        SUPPORTED_AUTH_METHODS = 16443 "SUPPORTED_AUTH_METHODS",
        SA_RESOURCE_INFO = 16444 "SA_RESOURCE_INFO",
        USE_PPK_INT = 16445 "USE_PPK_INT",
        PPK_IDENTITY_KEY = 16446 "PPK_IDENTITY_KEY",
    }
}

impl NotifyType {
    /// Whether the notify reports an error (below 16384) rather than a status, RFC 7296 section 3.10.1.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 < 16384
    }
}

iana! {
    /// Traffic selector type, RFC 7296 section 3.13.1.
    TsType(u8) {
        IPV4_ADDR_RANGE = 7 "IPV4_ADDR_RANGE",
        IPV6_ADDR_RANGE = 8 "IPV6_ADDR_RANGE",
        /// RFC 4595.
        FC_ADDR_RANGE = 9 "FC_ADDR_RANGE",
        /// RFC 9478.
        SECLABEL = 10 "SECLABEL",
    }
}

iana! {
    /// Configuration payload type, RFC 7296 section 3.15.
    ConfigType(u8) {
        CFG_REQUEST = 1 "CFG_REQUEST",
        CFG_REPLY = 2 "CFG_REPLY",
        CFG_SET = 3 "CFG_SET",
        CFG_ACK = 4 "CFG_ACK",
    }
}

iana! {
    /// Configuration attribute type, RFC 7296 section 3.15.1.
    ConfigAttributeType(u16) {
        INTERNAL_IP4_ADDRESS = 1 "INTERNAL_IP4_ADDRESS",
        INTERNAL_IP4_NETMASK = 2 "INTERNAL_IP4_NETMASK",
        INTERNAL_IP4_DNS = 3 "INTERNAL_IP4_DNS",
        INTERNAL_IP4_NBNS = 4 "INTERNAL_IP4_NBNS",
        /// RFC 4306; reserved since RFC 7296.
        INTERNAL_ADDRESS_EXPIRY = 5 "INTERNAL_ADDRESS_EXPIRY",
        INTERNAL_IP4_DHCP = 6 "INTERNAL_IP4_DHCP",
        APPLICATION_VERSION = 7 "APPLICATION_VERSION",
        INTERNAL_IP6_ADDRESS = 8 "INTERNAL_IP6_ADDRESS",
        INTERNAL_IP6_DNS = 10 "INTERNAL_IP6_DNS",
        /// RFC 4306; reserved since RFC 5996.
        INTERNAL_IP6_NBNS = 11 "INTERNAL_IP6_NBNS",
        INTERNAL_IP6_DHCP = 12 "INTERNAL_IP6_DHCP",
        INTERNAL_IP4_SUBNET = 13 "INTERNAL_IP4_SUBNET",
        SUPPORTED_ATTRIBUTES = 14 "SUPPORTED_ATTRIBUTES",
        INTERNAL_IP6_SUBNET = 15 "INTERNAL_IP6_SUBNET",
        /// RFC 5026.
        MIP6_HOME_PREFIX = 16 "MIP6_HOME_PREFIX",
        /// RFC 5739.
        INTERNAL_IP6_LINK = 17 "INTERNAL_IP6_LINK",
        /// RFC 5739.
        INTERNAL_IP6_PREFIX = 18 "INTERNAL_IP6_PREFIX",
        /// 3GPP TS 24.302.
        HOME_AGENT_ADDRESS = 19 "HOME_AGENT_ADDRESS",
        /// RFC 7651.
        P_CSCF_IP4_ADDRESS = 20 "P_CSCF_IP4_ADDRESS",
        /// RFC 7651.
        P_CSCF_IP6_ADDRESS = 21 "P_CSCF_IP6_ADDRESS",
        /// 3GPP TS 24.302.
        FTT_KAT = 22 "FTT_KAT",
        /// 3GPP TS 29.139.
        EXTERNAL_SOURCE_IP4_NAT_INFO = 23 "EXTERNAL_SOURCE_IP4_NAT_INFO",
        /// 3GPP TS 24.302.
        TIMEOUT_PERIOD_FOR_LIVENESS_CHECK = 24 "TIMEOUT_PERIOD_FOR_LIVENESS_CHECK",
        INTERNAL_DNS_DOMAIN = 25 "INTERNAL_DNS_DOMAIN",
        INTERNAL_DNSSEC_TA = 26 "INTERNAL_DNSSEC_TA",
        /// RFC 9464.
        ENCDNS_IP4 = 27 "ENCDNS_IP4",
        /// RFC 9464.
        ENCDNS_IP6 = 28 "ENCDNS_IP6",
        /// RFC 9464.
        ENCDNS_DIGEST_INFO = 29 "ENCDNS_DIGEST_INFO",
    }
}
