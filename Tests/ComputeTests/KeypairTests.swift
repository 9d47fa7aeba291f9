import Kit
import TestKit
import Testing

@testable import Compute

@Suite struct KeypairTests {
  @Test func generatedKeysAreGood() async throws {
    let world = try await CatalogueWorld()
    let made = try await world.send("POST", "/v2.1/os-keypairs", ["keypair": ["name": "made"]], as: "member")
    #expect(made.status == 200)
    let keypair = made.body["keypair"]
    let publicKey = keypair?["public_key"]?.string ?? ""
    #expect(publicKey.hasPrefix("ssh-rsa ") && publicKey.hasSuffix(" Generated-by-Nova"))
    #expect(keypair?["private_key"]?.string?.hasPrefix("-----BEGIN RSA PRIVATE KEY-----\n") == true)
    #expect(SSHPublicKey.blob(publicKey).map(SSHPublicKey.fingerprint) == keypair?["fingerprint"]?.string)
    // It is shown once.
    let shown = try await world.send("GET", "/v2.1/os-keypairs/made", as: "member").body
    #expect(shown["keypair"]?["private_key"] == nil)
    #expect(shown["keypair"]?["fingerprint"] == keypair?["fingerprint"])
  }

  @Test func theQuotaIsPerUser() async throws {
    let world = try await CatalogueWorld()
    _ = try await world.send(
      "PUT", "/v2.1/os-quota-sets/\(TestVerifier.mainProject)", ["quota_set": ["key_pairs": 1]])
    func make(_ name: String, as token: String) async throws -> Int {
      try await world.send(
        "POST", "/v2.1/os-keypairs", ["keypair": ["name": .string(name), "public_key": .string(Self.key)]], as: token
      ).status
    }
    #expect(try await make("a", as: "member") == 200)
    #expect(try await make("b", as: "member") == 403)
    #expect(try await make("b", as: "manager") == 200)
  }
  static let key =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPCMiIQYCPcgXpMZUJx8wzAG9PAGBBqPhGLHfy5hgZk me"

  @Test(arguments: ["", "ssh-ed25519", "ssh-ed25519 ", "ssh-ed25519 !!!!", " " + key, "ssh-dss AAAAB3NzaC1kc3MAAAA="])
  func textsThatAreNoKeys(_ text: String) { #expect(SSHPublicKey.blob(text) == nil) }

  /// Keys that `ssh-keygen` made, with the fingerprints that `ssh-keygen -l -E md5` prints.
  static let made: [(key: String, fingerprint: String)] = [
    (
      "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAVyl+gVfAJdA/UPtCAD9foBoE3u"
        + "bf9ZrtLv8VKQPsY60n58TSRUVezQhJOyZKfiT8Tw9GCddErjOYOr1dROLGM= me@home",
      "4e:5c:78:01:d1:a9:08:3c:0c:77:02:b1:8c:43:8d:95"
    ),
    (
      "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBAxdQtbl90nbnDmxcFPOOw5DeYqB"
        + "cM3WfC+KelAEWsfbiVHDnGCiC/GvsRgy/Tg9O3hczOZRFED2lTlJnVFsQTKxD6mcsdaZBByZrINQushM5cga+WiUf91I/DMEFbNd"
        + "Nw== me@home",
      "32:7f:fb:17:a8:95:8b:4e:93:ad:26:0b:59:ff:50:8c"
    ),
    (
      "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAArOGpMHQE9jBKgj3lad1Z3RN7o"
        + "xivwAVejnb3fl2ucmiQpqeDvkved1D3dFoIARG2+HgEcrouy9QqX9eh/g5PeaADNOzPjRVzhut+01KQkZb82lzVOR0w1aY6khJni"
        + "M0SxQILRn8xwnHD5iA+0Rtro2CbYVxfS+kBWXLu3CCqcbufUsg== me@home",
      "74:dc:33:68:c6:9b:4b:ef:ee:b2:2f:b2:20:ae:ff:ea"
    ),
    (
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEohXX9b869/8BxtwjqpqKHSW+otysNaVTqGUUTKQfB5 me@home",
      "cc:ef:2c:d0:ba:cb:e1:d5:35:84:7a:72:a2:11:58:81"
    ),
    (
      "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQDifYRhdojbfhIRuxYMtNSGjpGK+V5hSQePckRbCBnhOD4mTJkMCzV3bUxfA7Sn"
        + "JE2awpJn2rh0YpemeZ6YT4+LOwrWmr2HsfoSg8b75aJkgTOxINzg7nqjRKPv5weYlty3m/kF/5WcdVo1E33y+qgVgk/Vf3L2B77Y"
        + "layYMnOyOcKKkWglATgE1UtLXYFivP2ZzPye4ev/ZW1eclYeCrGAZHG0BtfXy1X35vrw59xXIK8rExDb/LKRPp1Nr9aguSIBW0+O"
        + "GrHB8k6MJDdLmL+T9S/3IIwVXuWOuMkLuME5QkWwbfRJFJeHk3+2QftpK9yTeSbcZe39ZqdEqLPih2NCrMy814aozi6Cw9Xlzvpr"
        + "OAjre2Jy38D1FJpcuf8uwzbrHYrvIQdoPIfwIGEzK6YN63RN7lDQUU0Uyoqky/oZIOQRCqhyohm3VA2NP4/BLz6/nmaxPxPJyvfm"
        + "iArCtAemfELqok+ysEos0o2ieICBdTZjsEnMpmdRGLDkNora5xs= me@home",
      "ba:f0:f3:c5:ed:bd:7e:e2:8c:2e:21:f5:74:f2:c3:aa"
    ),
    (
      "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDbG4jJ2QLSWeUC/WL9lfaB8aPmGF5pAfRH+ej+dDrUJda44inANfnuRDdLyOvC"
        + "ilSLVpo3nUJY9VCECMtdNeZekhsKL+Rts0rcP3Cc/wkJmD/stWdfS/Rt0oN2BnG2mMRQU1n+kCxFZZz6ich4nRB/2dTJASBx3Uri"
        + "szdz7hM6sw== me@home",
      "5e:0f:69:7c:ba:79:19:cd:9b:1e:4a:d2:fa:9b:dd:95"
    ),
  ]
  @Test(arguments: made.indices) func keysOfEveryTypeAreTaken(_ index: Int) {
    #expect(SSHPublicKey.blob(Self.made[index].key).map(SSHPublicKey.fingerprint) == Self.made[index].fingerprint)
  }

  @Test func keysWithRestOrWithoutEndAreRefused() {
    guard let blob = SSHPublicKey.blob(Self.key) else {
      Issue.record("the key is refused")
      return
    }
    func text(_ blob: [UInt8]) -> String { "ssh-ed25519 \(Base64.encode(blob))" }
    #expect(SSHPublicKey.blob(text(blob)) != nil)
    #expect(SSHPublicKey.blob(text(blob + [0])) == nil)
    #expect(SSHPublicKey.blob(text(Array(blob.dropLast()))) == nil)
    #expect(SSHPublicKey.blob(text([255, 255, 255, 255] + blob)) == nil)
    let point = [UInt8](repeating: 4, count: 65)
    let curve = SSHReader.write([Array("ecdsa-sha2-nistp256".utf8), Array("nistp256".utf8), point])
    #expect(SSHPublicKey.blob("ecdsa-sha2-nistp256 \(Base64.encode(curve))") == nil)
  }

  @Test func certificatesAreGood() async throws {
    let world = try await CatalogueWorld()
    let made = try await world.send(
      "POST", "/v2.1/os-keypairs", ["keypair": ["name": "win", "type": "x509"]], as: "member", version: "2.2")
    #expect(made.status == 201)
    let keypair = made.body["keypair"]
    #expect(keypair?["type"]?.string == "x509")
    let pem = keypair?["public_key"]?.string ?? ""
    #expect(Certificate.fingerprint(pem: pem) == keypair?["fingerprint"]?.string)
    // What one user made can be imported by another.
    let imported = try await world.send(
      "POST", "/v2.1/os-keypairs",
      ["keypair": ["name": "win", "type": "x509", "public_key": .string(pem)]], as: "reader", version: "2.2")
    #expect(imported.body["keypair"]?["fingerprint"] == keypair?["fingerprint"])
  }
}
