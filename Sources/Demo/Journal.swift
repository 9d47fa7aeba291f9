import Foundation
import Kit
import Synchronization

/// Tells what happens, with times.
final class Journal: Sendable {
  private let started = ContinuousClock.now
  private let output: @Sendable (String) -> Void
  private let steps = Mutex<[DemoResult.Step]>([])

  init(_ output: @escaping @Sendable (String) -> Void) { self.output = output }

  var seconds: Double { Self.seconds(ContinuousClock.now - started) }
  var all: [DemoResult.Step] { steps.withLock { $0 } }

  /// Runs a step, and tells its result and how long it took. `body` returns what to tell, and a value for the next steps.
  func step<T: Sendable>(
    _ name: String, _ body: () async throws -> (told: String, value: T)
  ) async throws -> T {
    let begun = ContinuousClock.now
    let result: (told: String, value: T)
    do { result = try await body() } catch {
      tell("\(name): FAILED")
      throw error
    }
    let took = Self.seconds(ContinuousClock.now - begun)
    steps.withLock { $0.append(DemoResult.Step(name: name, seconds: took)) }
    tell("\(name): \(result.told) (\(Self.text(took)) s)")
    return result.value
  }

  /// A heading between steps.
  func heading(_ text: String) { output("\n\(text)") }
  func tell(_ text: String) {
    let time = Self.text(seconds)
    output("[\(String(repeating: " ", count: max(0, 6 - time.count)))\(time) s] \(text)")
  }
  /// Something that was said elsewhere: a line of a console or of a command.
  func quote(_ line: String) { output("             | \(line)") }
  func plain(_ line: String) { output(line) }

  private static func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
  }
  private static func text(_ seconds: Double) -> String { String(format: "%.2f", seconds) }
}
