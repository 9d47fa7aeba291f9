import Kit
import Store

/// Unified limits (API reference, Identity, Unified limits): what projects may use of a service's resources, as Identity
/// keeps it. A service asks inside its own transaction.
public protocol UnifiedLimiting: Sendable {
  /// The limits of a project for every resource that is registered for services of this type: its own, else the general
  /// one. -1: none.
  func limits(serviceType: String, projectID: String, tx: any Transaction) throws -> [String: Int]

  /// Throws a 403 fault that names resource, limit, usage and what was asked, unless the project can have `asked` more.
  /// Under the strict two-level model the domain's limit holds for all of its projects together. A resource that is not
  /// registered has the limit 0 (upstream's oslo.limit). `used`: what these projects use together, by resource.
  func enforce(
    _ asked: [String: Int], serviceType: String, projectID: String, tx: any Transaction,
    used: (_ projectIDs: [String]) throws -> [String: Int]
  ) throws
}
