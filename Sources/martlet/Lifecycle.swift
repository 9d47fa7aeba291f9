import ArgumentParser
import CLinux
import Cloud
import Foundation
import Kit
import NIOCore
import NIOPosix

struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve a state folder in the foreground; `up` runs this in the background.")
  @OptionGroup var state: StateOption

  func run() async throws {
    clinux_limit_arenas(2)
    // Database calls resume on the event loops instead of hopping to another pool: a third less CPU a request.
    _ = NIOSingletons.unsafeTryInstallSingletonPosixEventLoopGroupAsConcurrencyGlobalExecutor()
    try await CloudServer(
      configuration: state.configuration(), state: state.folder, processStart: Martlet.processStart
    ).run()
  }
}

struct Stop: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Stop the control plane. Guests and their networks go on; `up` takes them over again.")
  @OptionGroup var state: StateOption

  func run() async throws {
    let wasRunning = try await Launcher(configuration: state.configuration(), state: state.folder).stop()
    print(wasRunning ? "stopped; guests go on" : "it was not running")
  }
}

struct Down: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Take the cloud down: control plane, guests, networks. Its state stays for the next `up`.")
  @OptionGroup var state: StateOption
  @Flag(name: .long, help: "Also remove the state: every server, image and user.")
  var purge = false

  func run() async throws {
    try await Launcher(configuration: state.configuration(), state: state.folder).down(purge: purge) {
      Terminal.say($0)
    }
    print(purge ? "the cloud is gone" : "the cloud is down; `martlet up` brings it back")
  }
}

struct Status: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Show how the cloud stands.")
  @OptionGroup var state: StateOption
  @Flag(name: .long, help: "As JSON.")
  var json = false

  func run() async throws {
    guard let status = try ControlClient(state.folder).status() else {
      print(json ? "{\"running\": false}" : "not running: \(state.folder.path)")
      throw ExitCode(3)
    }
    if json {
      var object: JSONObject = ["running": true]
      object.merge(status.object ?? [:])
      print(JSONValue.object(object).text)
      return
    }
    for member in status.object ?? [:] {
      if let nested = member.value.object {
        print("\(member.key):")
        for inner in nested { print("  \(inner.key): \(inner.value.string ?? inner.value.text)") }
      } else {
        print("\(member.key): \(member.value.string ?? member.value.text)")
      }
    }
  }
}
