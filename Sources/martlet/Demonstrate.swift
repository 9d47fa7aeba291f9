import ArgumentParser
import Cloud
import Demo
import Foundation
import Host
import Kit

struct Demonstrate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo", abstract: "Walk the launch flow: from a project to a guest that answers SSH.",
    discussion: "What exists already is used again. The guest goes on; --clean removes all that the demonstration made."
  )
  @OptionGroup var state: StateOption
  @Flag(name: .long, help: "Remove what the demonstration made.")
  var clean = false

  func run() async throws {
    let configuration = try state.configuration()
    guard try ControlClient(state.folder).status() != nil else {
      throw Fault.unavailable("The cloud in \(state.folder.path) is not running: `martlet up` starts it.")
    }
    let isRouted = configuration.text("network.external") == "routed"
    let login = try Login(state.folder, configuration)
    let demo = Demo(
      cloud: DemoCloud(
        authURL: login.authURL, password: login.password, region: login.region, directory: state.folder.demo,
        namespace: isRouted ? nil : NetworkNamespace(configuration.text("cloud.name")),
        shownPrefix: isRouted ? [] : [CommandLine.arguments[0], "exec", "--state", state.folder.path, "--"]),
      image: try await ImageBuild.build(state.folder.guestImage)
    ) { Terminal.say($0) }
    if clean { try await demo.clean() } else { _ = try await demo.run() }
  }
}
