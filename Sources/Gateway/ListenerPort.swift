import Exchanges
import Pipeline
import Reactor
import Settings
import TLS
import WireHTTP

/// One listener as one worker sees it.
final class ListenerPort {
    let number: UInt16
    let share: ListenerShare
    private(set) var limits: HTTP1Limits
    /// Meaningful while `speaksHTTP2`.
    private(set) var http2: HTTP2Settings
    private(set) var speaksHTTP2: Bool
    private(set) var timeouts: Settings.Listener.Timeouts
    /// What MQTT clients are granted; nil = it does not speak MQTT.
    private(set) var mqtt: ListenerMQTT?
    /// Nil = plain.
    private(set) var tls: TLSServerContext?
    /// Milliseconds a handshake may take.
    private(set) var handshakePatience: UInt32 = 0
    private var trusted: [CIDR] = []

    init(number: UInt16, share: ListenerShare, generation: Generation) {
        self.number = number
        self.share = share
        limits = HTTP1Limits(share.settings.limits)
        speaksHTTP2 = share.settings.http2 != nil
        http2 = HTTP2Settings(share.settings)
        timeouts = share.settings.timeouts
        mqtt = share.settings.mqtt
        adopt(generation)
    }

    /// A reload changes limits, timeouts, trust and certificates; the socket stays, and so do open
    /// connections with what they began with.
    func adopt(_ generation: Generation) {
        let name = share.settings.name
        guard let settings = generation.configuration.allListeners.first(where: { $0.name == name }) else { return }
        limits = HTTP1Limits(settings.limits)
        speaksHTTP2 = settings.http2 != nil
        http2 = HTTP2Settings(settings)
        timeouts = settings.timeouts
        mqtt = settings.mqtt
        trusted = settings.trustedProxies
        tls = generation.tls.listener(name)
        handshakePatience = settings.tls?.handshake ?? 0
    }

    func trusts(_ address: IPAddress) -> Bool { trusted.contains { $0.contains(address) } }

    /// What outlives the exchanges of a new connection.
    func session(of peer: SocketAddress, isSecure: Bool = false, certificateName: [UInt8] = []) -> Session {
        let words = peer.words
        return Session(
            listener: number, peer: words, peerText: Array(peer.node.utf8),
            trusted: trusts(IPAddress(high: words.high, low: words.low)), isSecure: isSecure,
            certificateName: certificateName)
    }
}
