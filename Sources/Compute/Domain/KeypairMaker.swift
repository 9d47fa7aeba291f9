import CryptoExtras
import Kit

/// Makes and checks what key pairs hold.
enum KeypairMaker {
  /// RSA as Nova's: its keys open every SSH server and decrypt the passwords that Windows guests publish.
  private static let keySize = _RSA.Signing.KeySize.bits2048

  /// The fingerprint of an imported key. Throws a 400 fault for a key that is none.
  static func fingerprint(_ publicKey: String, type: String) throws(Fault) -> String {
    if type == "x509" {
      guard let fingerprint = Certificate.fingerprint(pem: publicKey) else {
        throw Fault.badRequest("Keypair data is invalid: failed to generate X509 fingerprint.")
      }
      return fingerprint
    }
    guard let blob = SSHPublicKey.blob(publicKey) else {
      throw Fault.badRequest("Keypair data is invalid: failed to generate fingerprint")
    }
    return SSHPublicKey.fingerprint(blob)
  }

  /// A new pair: the private key in PEM for SSH, a PKCS #12 store in Base64 for X.509. It is kept nowhere.
  static func make(
    name: String, userID: String, type: String, now: Timestamp
  ) throws -> (keypair: Keypair, privateKey: Secret) {
    let key = try _RSA.Signing.PrivateKey(keySize: keySize)
    var keypair = Keypair(name: name, userID: userID, type: type, publicKey: "", fingerprint: "", createdAt: now)
    if type == "x509" {
      let certificate = try Certificate.make(user: userID, key: key, now: now)
      keypair.publicKey = Certificate.pem(certificate)
      keypair.fingerprint = try fingerprint(keypair.publicKey, type: type)
      return (keypair, Secret(Base64.encode(Certificate.store(certificate, key: key))))
    }
    let numbers = try key.publicKey.getKeyPrimitives()
    let blob = SSHReader.write([
      Array("ssh-rsa".utf8), mpint(Array(numbers.publicExponent)), mpint(Array(numbers.modulus)),
    ])
    keypair.publicKey = "ssh-rsa \(Base64.encode(blob)) Generated-by-Nova"
    keypair.fingerprint = SSHPublicKey.fingerprint(blob)
    return (keypair, Secret(key.pemRepresentation + "\n"))
  }

  /// A positive number as SSH writes it (RFC 4251 §5).
  private static func mpint(_ bytes: [UInt8]) -> [UInt8] {
    let digits = Array(bytes.drop { $0 == 0 })
    return digits.first.map { $0 >= 128 } == true ? [0] + digits : digits
  }
}
