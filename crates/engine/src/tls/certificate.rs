//! Certificates: one made for this machine, or one read from files.

use std::fmt;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
    SerialNumber,
};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use x509_cert::der::Decode as _;

use super::fingerprint::Fingerprint;
use super::provider;

/// A certificate that is made is valid from so long ago, because clocks on a network without the
/// internet are wrong,
const VALID_SINCE: SignedDuration = SignedDuration::from_hours(90 * 24);
/// and for so long. Together that is less than the 825 days after which Apple's systems trust none.
const VALID_FOR: SignedDuration = SignedDuration::from_hours(730 * 24);
/// Longest common name (RFC 5280, appendix A.1).
const COMMON_NAME_MAX_CHARS: usize = 64;
/// A name for each of very many addresses would make a hello too long for one record.
const ADDRESSES_MAX: usize = 64;

/// Why a certificate cannot be used. Which file it is about is the caller's to say.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// The file holds no certificate.
    #[error("it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// The file holds no key, or one that wants a passphrase.
    #[error(
        "it holds no private key in PEM (-----BEGIN PRIVATE KEY-----); one with a passphrase is \
         opened by `openssl pkey -in FILE -out OPEN-FILE`"
    )]
    NoKey,
    /// It looks like PEM and is broken.
    #[error("it is broken PEM: {0}")]
    BrokenPem(String),
    /// The certificate cannot be read.
    #[error("its certificate cannot be read: {0}")]
    BrokenCertificate(String),
    /// The key is of a kind that is not known here, or too short.
    #[error("its key cannot be used: {0}; ECDSA P-256, Ed25519 and RSA from 2048 bits can")]
    BrokenKey(String),
    /// They do not belong together.
    #[error("the key belongs to another certificate")]
    Mismatch,
    /// The certificate is no longer valid.
    #[error(
        "the certificate was valid until {0}; get a new one, or is this machine's clock wrong?"
    )]
    Expired(Timestamp),
    /// A certificate could not be made.
    #[error("a certificate cannot be made: {0}")]
    NotMade(rcgen::Error),
}

/// Which of two files an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The one with the certificate.
    Certificate,
    /// The one with the key.
    Key,
}

impl CertificateError {
    /// Which file it is about.
    pub fn about(&self) -> About {
        match self {
            Self::NoKey | Self::BrokenKey(_) | Self::Mismatch => About::Key,
            _ => About::Certificate,
        }
    }
}

/// A certificate with its chain and its key.
pub struct Identity {
    pub(super) certified: CertifiedKey,
    fingerprint: Fingerprint,
    valid_from: Timestamp,
    valid_until: Timestamp,
}

impl Identity {
    /// Reads a certificate, the ones that vouch for it after it, and its key. Whether it is valid
    /// now is not asked.
    pub fn read(certificates: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(broken_pem)?;
        let leaf = chain.first().ok_or(CertificateError::NoCertificate)?;
        let fingerprint = Fingerprint::of(leaf);
        let parsed = x509_cert::Certificate::from_der(leaf)
            .map_err(|error| CertificateError::BrokenCertificate(error.to_string()))?;
        let validity = parsed.tbs_certificate().validity();
        let (valid_from, valid_until) =
            (timestamp(&validity.not_before), timestamp(&validity.not_after));
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => CertificateError::NoKey,
            error => broken_pem(error),
        })?;
        let certified =
            CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => CertificateError::Mismatch,
                rustls::Error::InvalidCertificate(error) => {
                    CertificateError::BrokenCertificate(error.to_string())
                }
                rustls::Error::General(reason) => CertificateError::BrokenKey(reason),
                error => CertificateError::BrokenKey(error.to_string()),
            })?;
        Ok(Self { certified, fingerprint, valid_from, valid_until })
    }

    /// The fingerprint of the certificate itself, whoever vouches for it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// From when it is valid.
    pub fn valid_from(&self) -> Timestamp {
        self.valid_from
    }

    /// Until when it is valid.
    pub fn valid_until(&self) -> Timestamp {
        self.valid_until
    }

    /// Refuses one that is not valid any more.
    pub fn still_valid(self, now: Timestamp) -> Result<Self, CertificateError> {
        if now > self.valid_until {
            return Err(CertificateError::Expired(self.valid_until));
        }
        Ok(self)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

fn broken_pem(error: pem::Error) -> CertificateError {
    CertificateError::BrokenPem(match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end; was it cut?".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a section's first line is no such line".into(),
        pem::Error::Base64Decode(_) => "a section is not base64".to_owned(),
        error => error.to_string(),
    })
}

fn timestamp(time: &x509_cert::time::Time) -> Timestamp {
    let since_epoch = SignedDuration::try_from(time.to_unix_duration());
    let at = since_epoch.ok().and_then(|since| Timestamp::from_duration(since).ok());
    // Later than any clock tells: so says who writes 9999-12-31 (RFC 5280, section 4.1.2.5).
    at.unwrap_or(Timestamp::MAX)
}

/// Whom a certificate is made for.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// This machine's name, which it carries as its own.
    pub machine: String,
    /// All the names that it answers to.
    pub hosts: Vec<String>,
    /// And its addresses.
    pub addresses: Vec<IpAddr>,
}

/// A key, and a certificate for it that it has signed itself.
pub struct Made {
    /// The certificate in PEM.
    pub certificate: String,
    /// The key in PEM (PKCS #8).
    pub key: String,
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Makes a certificate with an ECDSA key on P-256, which every browser takes. A key in PEM that is
/// given, if it can be read, is used again.
pub fn make(names: &Names, key: Option<&[u8]>, now: Timestamp) -> Result<Made, CertificateError> {
    let known = key.and_then(|key| std::str::from_utf8(key).ok());
    let key = match known.and_then(|pem| KeyPair::from_pem(pem).ok()) {
        Some(key) => key,
        None => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
            .map_err(CertificateError::NotMade)?,
    };
    let certificate = parameters(names, now)
        .and_then(|p| p.self_signed(&key))
        .map_err(CertificateError::NotMade)?;
    Ok(Made { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn parameters(names: &Names, now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let date = |at: Timestamp| {
        let day = at.to_zoned(TimeZone::UTC).date();
        let [month, day_of_month] = [day.month(), day.day()].map(i8::cast_unsigned);
        rcgen::date_time_ymd(day.year().into(), month, day_of_month)
    };
    let mut parameters = CertificateParams::default();
    parameters.not_before = date(now - VALID_SINCE);
    parameters.not_after = date(now + VALID_FOR);
    // Firefox refuses a second certificate of one issuer with the number of the first.
    parameters.serial_number = Some(serial_number()?);
    parameters.distinguished_name.push(DnType::OrganizationName, "Sockeye");
    let machine: String = names.machine.chars().take(COMMON_NAME_MAX_CHARS).collect();
    parameters.distinguished_name.push(DnType::CommonName, machine);
    parameters.subject_alt_names = alternative_names(names)?;
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(parameters)
}

/// Each name and address once. A name with letters that no certificate holds is left out: a client
/// asks for its punycode.
fn alternative_names(names: &Names) -> Result<Vec<SanType>, rcgen::Error> {
    let mut alternatives: Vec<SanType> = Vec::new();
    for host in &names.hosts {
        let is_possible = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic());
        let name = if is_possible { SanType::DnsName(host.as_str().try_into()?) } else { continue };
        if !alternatives.contains(&name) {
            alternatives.push(name);
        }
    }
    for &address in names.addresses.iter().take(ADDRESSES_MAX) {
        let address = SanType::IpAddress(address);
        if !alternatives.contains(&address) {
            alternatives.push(address);
        }
    }
    Ok(alternatives)
}

/// 16 random bytes (RFC 5280, section 4.1.2.2: positive, at most 20).
fn serial_number() -> Result<SerialNumber, rcgen::Error> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| rcgen::Error::RingUnspecified)?;
    bytes[0] = bytes[0] & 0x7F | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-31T12:00:00Z".parse().unwrap()
    }

    fn names() -> Names {
        Names {
            machine: "hub".to_owned(),
            hosts: ["hub", "hub.local", "hub", "", "hüb"].map(str::to_owned).into(),
            addresses: vec![[127, 0, 0, 1].into(), [127, 0, 0, 1].into()],
        }
    }

    fn made() -> Made {
        make(&names(), None, now()).unwrap()
    }

    fn read(certificate: &str, key: &str) -> Result<Identity, CertificateError> {
        Identity::read(certificate.as_bytes(), key.as_bytes())
    }

    #[test]
    fn a_certificate_that_was_made_is_read_with_its_key() {
        let made = made();
        let identity = read(&made.certificate, &made.key).unwrap();
        assert_eq!(identity.valid_from().to_string(), "2025-11-02T00:00:00Z");
        assert_eq!(identity.valid_until().to_string(), "2028-01-31T00:00:00Z");
        let both = made.key.clone() + &made.certificate;
        assert_eq!(read(&both, &both).unwrap().fingerprint(), identity.fingerprint());
    }

    #[test]
    fn each_name_and_address_stands_in_it_once() {
        let names = alternative_names(&names()).unwrap();
        let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
        let expected = [dns("hub"), dns("hub.local"), SanType::IpAddress([127, 0, 0, 1].into())];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_key_is_used_again_and_the_certificate_is_another() {
        let first = made();
        let second = make(&names(), Some(first.key.as_bytes()), now()).unwrap();
        assert_eq!(first.key, second.key);
        assert_ne!(first.certificate, second.certificate, "its serial number is another");
        read(&second.certificate, &first.key).unwrap();
        let anew = make(&names(), Some(b"no key"), now()).unwrap();
        assert_ne!(anew.key, first.key);
    }

    #[test]
    fn one_that_has_expired_says_when() {
        let made = made();
        let identity = || read(&made.certificate, &made.key).unwrap();
        identity().still_valid(now()).unwrap();
        let later = "2030-01-01T00:00:00Z".parse().unwrap();
        let error = identity().still_valid(later).unwrap_err().to_string();
        assert!(error.contains("2028-01-31T00:00:00Z") && error.contains("clock"), "{error}");
    }

    #[test]
    fn each_error_tells_what_is_wrong_and_with_which_file() {
        let (one, other) = (made(), made());
        let error = |certificate: &str, key: &str| {
            let error = read(certificate, key).unwrap_err();
            (error.to_string(), error.about())
        };
        let told = |certificate: &str, key: &str, text: &str, about: About| {
            let (error, is_about) = error(certificate, key);
            assert!(error.contains(text), "{error}");
            assert_eq!(is_about, about, "{error}");
        };
        let (certificate, key) = (one.certificate.as_str(), one.key.as_str());
        told("", key, "no certificate", About::Certificate);
        told(key, key, "no certificate", About::Certificate);
        told(certificate, certificate, "no private key", About::Key);
        let sealed = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        told(certificate, &sealed, "passphrase", About::Key);
        told(certificate, &other.key, "another certificate", About::Key);
        let cut = &certificate[..certificate.len() - 30];
        told(cut, key, "no end", About::Certificate);
        let broken = certificate.replacen("MII", "AII", 1);
        told(&broken, key, "cannot be read", About::Certificate);
        let broken = key.replacen("MI", "AI", 1);
        told(certificate, &broken, "cannot be used", About::Key);
    }
}
