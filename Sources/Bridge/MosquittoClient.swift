import CMosquitto
import COpenSSL
import CShim
import Glibc

/// What libmosquitto has reported.
enum ClientEvent {
    case connected(code: Int32, sessionPresent: Bool)
    /// - Parameter isRetained: the broker had kept it, and it is not news.
    case message(BridgedMessage, isRetained: Bool)
    case published(packetID: Int32, reason: Int32)
    case subscribed(packetID: Int32, granted: [Int32])
}

/// Why a bridge cannot begin.
public struct BridgeFault: Error, Sendable, Equatable {
    public var text: String
    init(_ text: String) { self.text = text }
}

/// A `struct mosquitto`. All of it happens on one thread: its callbacks run inside `read`, and leave what they have to say
/// in `events`.
///
/// It is told that the program has threads of its own (`mosquitto_threaded_set`): then the library never writes to its socket
/// but in `write`, so that whoever holds that back holds back every acknowledgement.
final class MosquittoClient {
    private let client: OpaquePointer
    private let options: BridgeOptions
    private var hasConnected = false
    /// The library has given up in the middle of something: it is not asked again, not even to free what it has.
    private(set) var isBroken = false
    /// Since the last `takeEvents`.
    private var events: [ClientEvent] = []

    /// Set up once for the process, before its first client; there is no end of it while threads may use it.
    private static let libraryStatus = mosquitto_lib_init()

    init(_ options: BridgeOptions) throws(BridgeFault) {
        guard Self.libraryStatus == MOSQ_ERR_SUCCESS.rawValue.signed, let client = mosquitto_new(options.clientID, options.isClean, nil) else {
            throw BridgeFault("libmosquitto cannot begin")
        }
        // From here on `deinit` follows, also where this throws.
        self.client = client
        self.options = options
        var results = [
            mosquitto_threaded_set(client, true),
            mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, options.version == .v5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311),
            mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1),
            mosquitto_int_option(client, MOSQ_OPT_RECEIVE_MAXIMUM, Int32(options.inFlight)),
            mosquitto_int_option(client, MOSQ_OPT_SEND_MAXIMUM, Int32(options.outFlight)),
        ]
        if let username = options.username { results.append(mosquitto_username_pw_set(client, username, options.password)) }
        guard results.allSatisfy({ $0 == MOSQ_ERR_SUCCESS.rawValue.signed }) else {
            throw BridgeFault("libmosquitto does not take the bridge's options")
        }
        if let tls = options.tls {
            let result = Self.secure(client, tls)
            guard result == MOSQ_ERR_SUCCESS.rawValue.signed else {
                throw BridgeFault("the files for TLS cannot be used: \(Self.text(result))")
            }
        }
        mosquitto_user_data_set(client, Unmanaged.passUnretained(self).toOpaque())
        listen()
    }

    deinit { if !isBroken { mosquitto_destroy(client) } }

    private static func secure(_ client: OpaquePointer, _ tls: BridgeOptions.TLS) -> Int32 {
        let result =
            if let authorities = tls.authorities {
                // An encrypted key is of no use: the library would ask for its passphrase on the terminal.
                mosquitto_tls_set(client, authorities, nil, tls.certificate?.chain, tls.certificate?.key) { _, _, _, _ in 0 }
            } else {
                mosquitto_int_option(client, MOSQ_OPT_TLS_USE_OS_CERTS, 1)
            }
        guard result == MOSQ_ERR_SUCCESS.rawValue.signed else { return result }
        return mosquitto_tls_insecure_set(client, !tls.checksName)
    }

    // MARK: - The connection

    /// Begins to connect; what comes of it is among the events. Names are looked up here, which may take a while.
    /// - Returns: nil, or why not.
    func connect() -> String? {
        if hasConnected { return Self.problem(mosquitto_reconnect_async(client)) }
        hasConnected = true
        if options.version == .v5 { rememberProperties() }
        return Self.problem(
            mosquitto_connect_bind_async(client, options.host, Int32(options.port), Int32(options.keepAlive), nil))
    }

    /// The one call that takes properties of CONNECT waits for its connection. It remembers them for later ones before it
    /// looks at the rest: a keep alive that is out of range makes it end there.
    private func rememberProperties() {
        var properties: OpaquePointer?
        _ = mosquitto_property_add_int32(&properties, Int32(MQTT_PROP_SESSION_EXPIRY_INTERVAL.rawValue), options.isClean ? 0 : options.sessionExpiry)
        let room = UInt32(options.largestPayload + 128 << 10)
        _ = mosquitto_property_add_int32(&properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), room)
        _ = mosquitto_connect_bind_v5(client, options.host, Int32(options.port), 1, nil, properties)
        mosquitto_property_free_all(&properties)
    }

    /// Nil while there is none.
    var socket: Int32? {
        if isBroken { return nil }
        let socket = mosquitto_socket(client)
        return socket >= 0 ? socket : nil
    }

    var wantsWrite: Bool { mosquitto_want_write(client) }

    /// Are there bytes that TLS has decrypted and nobody has read?
    var holdsBytes: Bool {
        guard options.tls != nil, let ssl = mosquitto_ssl_get(client) else { return false }
        return SSL_pending(OpaquePointer(ssl)) > 0
    }

    /// Reads one packet, if there is a whole one; goes on with a handshake. Nil, or why the connection is gone.
    ///
    /// A property that no standard knows makes libmosquitto 2.0.11 end the process (`assert(mosq)` in its log): no broker may do
    /// that to us.
    func read() -> String? {
        let socket = mosquitto_socket(client)
        var result: Int32 = 0
        if nx_contained(mosquitto_loop_read, client, 1, &result) == 1 { return Self.problem(result) }
        isBroken = true
        events = []
        close(socket)
        return "libmosquitto has given up on what the broker sent"
    }
    func write() -> String? { Self.problem(mosquitto_loop_write(client, 1)) }
    /// Keep alive.
    func tick() -> String? { Self.problem(mosquitto_loop_misc(client)) }
    func disconnect() { _ = mosquitto_disconnect_v5(client, 0, nil) }

    /// Ends the connection without a word: nothing that waits to be written is written.
    func cut() {
        if let socket { shutdown(socket, Int32(SHUT_RDWR)) }
    }

    func takeEvents() -> [ClientEvent] {
        defer { events = [] }
        return events
    }

    // MARK: - Packets

    /// The packet identifier; nil when it cannot be asked for.
    func subscribe(_ inward: BridgeOptions.Inward) -> Int32? {
        var packetID: Int32 = 0
        let result = mosquitto_subscribe_v5(client, &packetID, inward.filter, inward.qos, 0, nil)
        return result == MOSQ_ERR_SUCCESS.rawValue.signed ? packetID : nil
    }

    /// Its packet identifier; nil when the library does not take it.
    func publish(_ message: OutwardMessage) -> Int32? {
        var properties: OpaquePointer?
        defer { mosquitto_property_free_all(&properties) }
        if options.version == .v5 {
            if let seconds = message.expirySeconds {
                _ = mosquitto_property_add_int32(&properties, Int32(MQTT_PROP_MESSAGE_EXPIRY_INTERVAL.rawValue), seconds)
            }
            if let type = message.contentType {
                _ = mosquitto_property_add_string(&properties, Int32(MQTT_PROP_CONTENT_TYPE.rawValue), type)
            }
        }
        var packetID: Int32 = 0
        let result = message.payload.withUnsafeBytes {
            mosquitto_publish_v5(
                client, &packetID, message.topic, Int32($0.count), $0.baseAddress, 1, message.isRetained, properties)
        }
        return result == MOSQ_ERR_SUCCESS.rawValue.signed ? packetID : nil
    }

    // MARK: - Callbacks

    private static func of(_ object: UnsafeMutableRawPointer?) -> MosquittoClient? {
        object.map { Unmanaged<MosquittoClient>.fromOpaque($0).takeUnretainedValue() }
    }

    private func listen() {
        mosquitto_connect_v5_callback_set(client) { _, object, code, flags, _ in
            MosquittoClient.of(object)?.events.append(.connected(code: code, sessionPresent: flags & 1 != 0))
        }
        mosquitto_publish_v5_callback_set(client) { _, object, packetID, reason, _ in
            MosquittoClient.of(object)?.events.append(.published(packetID: packetID, reason: reason))
        }
        mosquitto_subscribe_v5_callback_set(client) { _, object, packetID, count, granted, _ in
            let all = granted.map { Array(UnsafeBufferPointer(start: $0, count: Int(max(0, count)))) }
            MosquittoClient.of(object)?.events.append(.subscribed(packetID: packetID, granted: all ?? []))
        }
        mosquitto_message_v5_callback_set(client) { _, object, message, properties in
            guard let client = MosquittoClient.of(object), let message = message?.pointee else { return }
            client.events.append(.message(BridgedMessage(message, properties), isRetained: message.retain))
        }
    }

    // MARK: - Texts

    private static func problem(_ result: Int32) -> String? {
        result == MOSQ_ERR_SUCCESS.rawValue.signed || result == MOSQ_ERR_CONN_PENDING.rawValue.signed ? nil : text(result)
    }

    private static func text(_ result: Int32) -> String {
        if result == MOSQ_ERR_ERRNO.rawValue.signed { return String(cString: strerror(errno)) }
        return mosquitto_strerror(result).map { String(cString: $0) } ?? "error \(result)"
    }
}

extension BridgedMessage {
    /// User properties that are looked at.
    private static let mostProperties = 32

    /// A copy of what the library lends for the time of its callback.
    fileprivate init(_ message: mosquitto_message, _ properties: OpaquePointer?) {
        let payload = UnsafeRawBufferPointer(start: message.payload, count: Int(max(0, message.payloadlen)))
        self.init(topic: message.topic.map { Array(String(cString: $0).utf8) } ?? [], payload: Array(payload), qos: UInt8(clamping: message.qos))
        var text: UnsafeMutablePointer<CChar>?
        if mosquitto_property_read_string(properties, Int32(MQTT_PROP_CONTENT_TYPE.rawValue), &text, false) != nil, let text {
            contentType = String(cString: text)
            free(text)
        }
        var at = properties
        while at != nil, self.properties.count < Self.mostProperties {
            var (name, value): (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<CChar>?)
            let isFirst = self.properties.isEmpty
            at = mosquitto_property_read_string_pair(at, Int32(MQTT_PROP_USER_PROPERTY.rawValue), &name, &value, !isFirst)
            guard at != nil, let name, let value else { break }
            self.properties.append(Property(String(cString: name), String(cString: value)))
            free(name)
            free(value)
        }
    }
}

extension FixedWidthInteger {
    /// Enumerations of C are unsigned or signed as the compiler likes; the library's calls return `int`.
    fileprivate var signed: Int32 { Int32(truncatingIfNeeded: self) }
}
