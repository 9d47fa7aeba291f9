import Kit

extension IdentityService {
  /// What verifying a token costs inside this process, in microseconds, over `count` times: for `make bench`.
  public func verificationCost(_ token: String, count: Int) async throws -> Double {
    let start = ContinuousClock.now
    for _ in 0..<count { _ = try await verify(token) }
    return Double((ContinuousClock.now - start).microseconds) / Double(max(1, count))
  }
}
