import Crypto
import CryptoExtras
import Foundation
import Kit

/// X.509 certificates as key pairs of the type `x509`, by which WinRM lets their owners in without a password.
enum Certificate {
  private static let data = "1.2.840.113549.1.7.1"
  private static let rsa = "1.2.840.113549.1.1.1"
  private static let sha256 = "2.16.840.1.101.3.4.2.1"
  private static let signature = DER.sequence([DER.oid("1.2.840.113549.1.1.11"), DER.null])

  /// SHA-1 of a certificate in PEM, bytes in hexadecimal with colons; nil when the text holds no certificate.
  static func fingerprint(pem: String) -> String? {
    guard let der = decode(pem), let outer = DER.read(der[...]), outer.tag == 0x30, outer.rest.isEmpty,
      let parts = DER.parts(outer.content), parts.map(\.tag) == [0x30, 0x30, 0x03],
      let body = DER.parts(parts[0].content), body.count >= 6
    else { return nil }
    return SSHPublicKey.hexWithColons(Insecure.SHA1.hash(data: der))
  }

  private static func decode(_ pem: String) -> [UInt8]? {
    guard let start = pem.firstRange(of: "-----BEGIN CERTIFICATE-----"),
      let end = pem.firstRange(of: "-----END CERTIFICATE-----"), start.upperBound <= end.lowerBound
    else { return nil }
    return Base64.decode(String(pem[start.upperBound..<end.lowerBound]))
  }

  /// A certificate of ten years that `key` signs for itself, good for client authentication as `user@localhost`.
  static func make(user: String, key: _RSA.Signing.PrivateKey, now: Timestamp) throws -> [UInt8] {
    let name = DER.sequence([DER.set([DER.sequence([DER.oid("2.5.4.3"), DER.utf8(user)])])])
    let usage = DER.sequence([DER.oid("1.3.6.1.5.5.7.3.2")])
    let account = DER.sequence([
      DER.tagged(0, DER.oid("1.3.6.1.4.1.311.20.2.3") + DER.tagged(0, DER.utf8("\(user)@localhost")))
    ])
    let extensions = DER.sequence([
      DER.sequence([DER.oid("2.5.29.37"), DER.octets(usage)]),
      DER.sequence([DER.oid("2.5.29.17"), DER.octets(account)]),
    ])
    var serial = RandomText.bytes(16)
    serial[0] = serial[0] & 0x7F | 0x40
    let body = DER.sequence([
      DER.tagged(0, DER.integer([2])), DER.integer(serial), signature, name,
      DER.sequence([time(now), time(now + .seconds(3650 * 86_400))]), name,
      Array(key.publicKey.derRepresentation), DER.tagged(3, extensions),
    ])
    let signed = try key.signature(for: body, padding: .insecurePKCS1v1_5)
    return DER.sequence([body, signature, DER.bits(Array(signed.rawRepresentation))])
  }

  /// UTCTime until 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5).
  private static func time(_ time: Timestamp) -> [UInt8] {
    let digits = time.iso8601.filter(\.isNumber)
    return digits < "2050"
      ? DER.value(0x17, Array((digits.dropFirst(2) + "Z").utf8)) : DER.value(0x18, Array((digits + "Z").utf8))
  }

  static func pem(_ der: [UInt8]) -> String {
    let text = Data(der).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
    return "-----BEGIN CERTIFICATE-----\n\(text)\n-----END CERTIFICATE-----\n"
  }

  /// Certificate and key as a PKCS #12 store (RFC 7292) with an empty password.
  static func store(_ certificate: [UInt8], key: _RSA.Signing.PrivateKey) -> [UInt8] {
    let id = DER.set([
      DER.sequence([
        DER.oid("1.2.840.113549.1.9.21"), DER.set([DER.octets(Array(Insecure.SHA1.hash(data: certificate)))]),
      ])
    ])
    let certificateBag = DER.sequence([
      DER.oid("1.2.840.113549.1.12.10.1.3"),
      DER.tagged(
        0, DER.sequence([DER.oid("1.2.840.113549.1.9.22.1"), DER.tagged(0, DER.octets(certificate))])), id,
    ])
    let keyBag = DER.sequence([
      DER.oid("1.2.840.113549.1.12.10.1.1"),
      DER.tagged(
        0,
        DER.sequence([
          DER.integer([0]), DER.sequence([DER.oid(rsa), DER.null]), DER.octets(Array(key.derRepresentation)),
        ])), id,
    ])
    let safe = DER.sequence([content(DER.sequence([certificateBag])), content(DER.sequence([keyBag]))])
    return DER.sequence([DER.integer([3]), content(safe), authentication(safe)])
  }
  private static func content(_ bytes: [UInt8]) -> [UInt8] {
    DER.sequence([DER.oid(data), DER.tagged(0, DER.octets(bytes))])
  }

  /// The store's MAC; its key comes from the empty password by RFC 7292, appendix B, one block of SHA-256.
  private static func authentication(_ safe: [UInt8]) -> [UInt8] {
    let (salt, rounds) = (RandomText.bytes(8), 2048)
    let repeated = (0..<64).map { salt[$0 % salt.count] }
    var key = Array(SHA256.hash(data: [UInt8](repeating: 3, count: 64) + repeated + [UInt8](repeating: 0, count: 64)))
    for _ in 1..<rounds { key = Array(SHA256.hash(data: key)) }
    let code = Array(HMAC<SHA256>.authenticationCode(for: safe, using: SymmetricKey(data: key)))
    return DER.sequence([
      DER.sequence([DER.sequence([DER.oid(sha256), DER.null]), DER.octets(code)]), DER.octets(salt),
      DER.integer([UInt8(rounds >> 8), UInt8(rounds & 255)]),
    ])
  }
}
