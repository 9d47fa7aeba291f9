import Crypto
import CryptoExtras
import Foundation
import Kit

/// What hashing a password costs (RFC 7914). Memory is 128 · blockSize · 2^logRounds bytes.
struct PasswordCost: Sendable, Equatable {
  var logRounds: Int
  var blockSize: Int
  var parallelism: Int

  /// 16 MiB and about 0.15 s of one CPU: OWASP's setting for 16 MiB (Password Storage Cheat Sheet).
  static let standard = PasswordCost(logRounds: 14, blockSize: 8, parallelism: 5)
}

/// Hashes of passwords and other secrets: `$scrypt$ln=14,r=8,p=5$salt$hash`, as in the PHC string format.
struct PasswordHash: Sendable {
  private static let saltBytes = 16
  private static let hashBytes = 32

  static func make(_ secret: Secret, cost: PasswordCost) throws -> String {
    var generator = SystemRandomNumberGenerator()
    let salt = (0..<saltBytes).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    let parameters = "ln=\(cost.logRounds),r=\(cost.blockSize),p=\(cost.parallelism)"
    return "$scrypt$\(parameters)$\(Base64URL.encode(salt))$\(Base64URL.encode(try derive(secret, salt, cost)))"
  }

  /// Whether the secret is the one that was hashed. A text that is no hash of ours fits nothing.
  static func check(_ secret: Secret, _ text: String) -> Bool {
    let parts = text.split(separator: "$").map(String.init)
    guard parts.count == 4, parts[0] == "scrypt", let cost = parse(parts[1]), let salt = Base64URL.decode(parts[2]),
      let hash = try? derive(secret, salt, cost)
    else { return false }
    return Secret(Base64URL.encode(hash)).equals(parts[3])
  }

  private static func parse(_ text: String) -> PasswordCost? {
    var values: [String: Int] = [:]
    for pair in text.split(separator: ",") {
      let sides = pair.split(separator: "=")
      if sides.count == 2 { values[String(sides[0])] = Int(sides[1]) }
    }
    guard let rounds = values["ln"], let block = values["r"], let lanes = values["p"], (1...20).contains(rounds) else {
      return nil
    }
    return PasswordCost(logRounds: rounds, blockSize: block, parallelism: lanes)
  }

  private static func derive(_ secret: Secret, _ salt: [UInt8], _ cost: PasswordCost) throws -> [UInt8] {
    let key = try KDF.Scrypt.deriveKey(
      from: Array(secret.value.utf8), salt: salt, outputByteCount: hashBytes, rounds: 1 << cost.logRounds,
      blockSize: cost.blockSize, parallelism: cost.parallelism)
    return key.withUnsafeBytes { Array($0) }
  }
}

/// Hashes secrets on threads of its own, as many at a time as there are CPUs, so that logins never block an event loop.
final class PasswordHasher: Sendable {
  private let queue: OperationQueue
  private let cost: PasswordCost
  /// Stands in for the hash of a user that does not exist, so that asking for one takes as long.
  private let decoy: String

  init(cost: PasswordCost) {
    self.cost = cost
    queue = OperationQueue()
    queue.maxConcurrentOperationCount = max(1, ProcessInfo.processInfo.activeProcessorCount)
    let salt = Base64URL.encode([UInt8](repeating: 7, count: 16))
    decoy = "$scrypt$ln=\(cost.logRounds),r=\(cost.blockSize),p=\(cost.parallelism)$\(salt)$none"
  }

  func hash(_ secret: Secret) async throws -> String {
    let cost = cost
    return try await run { try PasswordHash.make(secret, cost: cost) }
  }

  /// Whether the secret fits; takes the same time when there is no hash to compare with.
  func check(_ secret: Secret, _ hash: String?) async throws -> Bool {
    let text = hash.flatMap { $0.isEmpty ? nil : $0 } ?? decoy
    return try await run { PasswordHash.check(secret, text) }
  }

  private func run<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      queue.addOperation { continuation.resume(with: Swift.Result { try work() }) }
    }
  }
}
