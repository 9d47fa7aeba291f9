import Kit

/// How much of a resource class a provider has, and in which portions it is given away.
struct Inventory: Sendable, Equatable {
  /// The largest number in an inventory: a signed 32-bit integer, as upstream's columns.
  static let amountMax = Int(Int32.max)
  /// The largest allocation ratio: a single-precision float.
  static let ratioMax = 3.40282e+38

  var total: Int
  var reserved = 0
  var minUnit = 1
  var maxUnit = Inventory.amountMax
  var stepSize = 1
  var allocationRatio = 1.0

  /// What can be allocated in all: (total - reserved) × ratio, rounded down.
  var capacity: Int {
    let value = (Double(total - reserved) * allocationRatio).rounded(.down)
    return value >= 9e18 ? Int.max : value <= -9e18 ? Int.min : Int(value)
  }

  /// Why one claim of `amount` cannot be had, whatever is free; nil: it can.
  func violation(_ amount: Int) -> String? {
    if amount < minUnit { return "\(amount) is below min_unit \(minUnit)" }
    if amount > maxUnit { return "\(amount) is above max_unit \(maxUnit)" }
    return amount % stepSize == 0 ? nil : "\(amount) is no multiple of step_size \(stepSize)"
  }

  /// Whether `amount` more fits beside what is used.
  func fits(_ amount: Int, used: Int) -> Bool { violation(amount) == nil && used + amount <= capacity }

  /// Throws a 400 fault when nothing of it could be given away (or, since 1.26, when it is overcommitted by reservation).
  func check(resourceClass: String, provider: String, allowsFullReservation: Bool) throws {
    guard allowsFullReservation ? capacity < 0 : capacity <= 0 else { return }
    throw Fault.badRequest(
      "Invalid inventory for '\(resourceClass)' on resource provider '\(provider)': "
        + "of \(total) in total \(reserved) are reserved and the allocation ratio is \(allocationRatio), "
        + "so that nothing is left to allocate.")
  }
}
