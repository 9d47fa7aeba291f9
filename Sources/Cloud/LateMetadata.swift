import Contracts
import Synchronization

/// The metadata service for the data plane, which is made before Compute: guests that ask earlier are told to come back.
final class LateMetadata: MetadataAnswering {
  private let target = Mutex<(any MetadataAnswering)?>(nil)

  func set(_ answering: any MetadataAnswering) { target.withLock { $0 = answering } }

  func answer(_ request: MetadataRequest) async -> MetadataResponse {
    guard let target = target.withLock({ $0 }) else {
      return MetadataResponse(
        status: 503, contentType: "text/plain", body: Array("The metadata service is starting.".utf8))
    }
    return await target.answer(request)
  }
}
