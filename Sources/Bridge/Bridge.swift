import Glibc
import Synchronization
import Threads

/// A connection to an outside broker: what its filters bring goes to `ingest`, and messages of ours go out.
///
/// Inwards a message with QoS 1 is acknowledged when `ingest` has settled it, not before: one that is lost with the
/// process the broker sends again. So `ingest` gets it at least once, and has to know repetitions by what they say.
///
/// Close it: its thread keeps it going until then.
public final class Bridge: Sendable {
    public let name: String
    private let options: BridgeOptions
    private let state: LinkState
    private let thread: NamedThread

    /// - Parameter note: called now and then, on the bridge's thread; it must not block.
    /// - Throws: when its files cannot be used. That the broker is away is no fault: it is tried again.
    public init(
        _ options: BridgeOptions, ingest: any Ingest, note: @escaping @Sendable (BridgeNote) -> Void = { _ in }
    ) throws(BridgeFault) {
        guard let wakeup = Wakeup() else { throw BridgeFault("there are no more descriptors") }
        name = options.name
        self.options = options
        let state = LinkState(wakeup, outbox: Outbox(most: options.outFlight))
        self.state = state
        // Made here, so that what is wrong with it is heard here; it belongs to the thread from then on.
        let link = try Link(options, state, ingest: ingest, note: note)
        thread = NamedThread.required(name: "bridge") { link.run() }
    }

    /// Whether `init` would take these options. Nothing is connected.
    public static func check(_ options: BridgeOptions) throws(BridgeFault) { _ = try MosquittoClient(options) }

    /// Publishes with QoS 1, and waits for the broker's word, at most `BridgeOptions.publishMS`.
    public func publish(_ message: OutwardMessage) async -> Publication {
        await withCheckedContinuation { waiter in
            let entry = Outbox.Entry(message: message, endsMS: nowMS() + options.publishMS, waiter: waiter)
            if state.outbox.put(entry) {
                state.wakeup.ring()
            } else {
                state.count { $0.unpublished += 1 }
                waiter.resume(returning: .unavailable)
            }
        }
    }

    /// From any thread.
    public var figures: BridgeFigures { state.figures }

    /// Ends the connection, and waits for the thread. What is unsettled then, the broker sends to the next process.
    public func close() {
        state.close()
        thread.join()
    }
}
