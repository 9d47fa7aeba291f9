import ArgumentParser
import Cloud

struct Routes: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List every route of every API: service, method, path, action, microversions, policy.")
  func run() throws { for line in try RouteListing.lines() { print(line) } }
}
