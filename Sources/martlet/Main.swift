import ArgumentParser
import Foundation
import Kit

/// The command line. One file per subcommand.
@main
struct Martlet: AsyncParsableCommand {
  /// When the process began, as near as it can tell.
  static let processStart = ContinuousClock.now

  static let configuration = CommandConfiguration(
    commandName: "martlet", abstract: "An OpenStack-compatible cloud in one binary.",
    discussion: "`martlet up` starts a cloud on this machine; `martlet demo` walks the launch flow in it.",
    version: "0.1.0",
    subcommands: [
      Up.self, Stop.self, Down.self, Status.self, Demonstrate.self, OpenRC.self, CloudsYAML.self, Exec.self, Log.self,
      Config.self, DatabaseCommand.self, Keys.self, PolicyCommand.self, DoctorCommand.self, ImageCommand.self,
      Routes.self, Serve.self,
    ])

  static func main() async {
    _ = processStart
    do {
      var command = try parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch let fault as Fault {
      Terminal.note("martlet: \(fault.message)")
      Foundation.exit(1)
    } catch {
      exit(withError: error)
    }
  }
}
