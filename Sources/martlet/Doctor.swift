import ArgumentParser
import Cloud
import Foundation
import Kit

struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Check this machine and the cloud on it, and say what to do.")
  @OptionGroup var state: StateOption
  @Flag(name: .long, help: "As JSON.")
  var json = false

  func run() async throws {
    let results = try await Doctor(configuration: state.configuration(), state: state.folder).run()
    if json {
      print(JSONValue.array(results.map(\.json)).text)
    } else {
      for result in results {
        let mark =
          switch result.verdict {
          case .ok: "ok     ";
          case .warning: "warning";
          case .failed: "FAILED "
          }
        print("\(mark)  \(result.name.padding(toLength: 20, withPad: " ", startingAt: 0)) \(result.detail)")
      }
    }
    if results.contains(where: { $0.verdict == .failed }) { throw ExitCode(1) }
  }
}
