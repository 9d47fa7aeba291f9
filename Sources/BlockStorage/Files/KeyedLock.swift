/// Lets one task at a time work on a thing that has a name, such as a volume's file.
actor KeyedLock {
  private var held: Set<String> = []
  private var waiting: [String: [CheckedContinuation<Void, Never>]] = [:]

  private func lock(_ key: String) async {
    if held.insert(key).inserted { return }
    await withCheckedContinuation { waiting[key, default: []].append($0) }
  }
  private func unlock(_ key: String) {
    if var queue = waiting[key], !queue.isEmpty {
      let next = queue.removeFirst()
      waiting[key] = queue.isEmpty ? nil : queue
      next.resume()
    } else {
      held.remove(key)
    }
  }

  nonisolated func with<Result: Sendable>(
    _ key: String, _ body: @Sendable () async throws -> Result
  ) async throws -> Result {
    await lock(key)
    do {
      let result = try await body()
      await unlock(key)
      return result
    } catch {
      await unlock(key)
      throw error
    }
  }
}
