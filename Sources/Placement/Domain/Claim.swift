import Kit

/// What one consumer is to hold from now on, on every provider: it replaces what the consumer holds.
struct Claim: Sendable {
  /// What the writer knows of the consumer's generation.
  enum Generation: Sendable, Equatable {
    /// Before microversion 1.28: nothing, and it does not matter.
    case any
    /// The consumer must not exist yet.
    case new
    case seen(Int)
  }

  var consumer: String
  var projectID: String
  var userID: String
  var generation: Generation
  /// `INSTANCE`, `MIGRATION`, …; nil: as it was, or unknown.
  var consumerType: String?
  /// Provider → resource class → amount. Empty: the consumer gives everything back.
  var allocations: [(provider: String, resources: [(resourceClass: String, amount: Int)])]
}

/// Who holds resources.
struct Consumer: Sendable, Equatable {
  var id: String
  var projectID: String
  var userID: String
  var type: String?
  var generation: Int
}

/// An amount of one class of one provider that a consumer holds.
struct Allocation: Sendable, Equatable {
  var consumer: String
  var provider: String
  var resourceClass: String
  var used: Int
}
