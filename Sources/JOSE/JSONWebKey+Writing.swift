internal import Contracts
internal import Exchanges

extension JSONWebKey.Material {
    /// The key as JSON (RFC 7517).
    func jwk(_ algorithm: Algorithm, _ keyID: [UInt8], withPrivate: Bool) -> [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("kid")
        json.string(utf8: keyID)
        json.name("use")
        json.string("sig")
        json.name("alg")
        json.string("\(algorithm.name)")
        for (name, value) in required { JSONWebKey.Material.write(name, value, to: &json) }
        if withPrivate { for (name, value) in secrets { JSONWebKey.Material.write(name, value, to: &json) } }
        json.endObject()
        return json.sink
    }

    /// RFC 7638: the digest of the members a key cannot do without, in the order of their names.
    var thumbprint: [UInt8]? {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        for (name, value) in required { JSONWebKey.Material.write(name, value, to: &json) }
        json.endObject()
        return Hash.sha256.digest(of: json.sink.span).map { Base64URL.encode($0.span) }
    }

    private enum Value {
        case text(StaticString)
        case bytes([UInt8])
    }

    /// In the order of their names.
    private var required: [(name: StaticString, value: Value)] {
        switch self {
        case .rsa(let n, let e, _): [("e", .bytes(e)), ("kty", .text("RSA")), ("n", .bytes(n))]
        case .ec(let curve, let x, let y, _):
            [("crv", .text(curve.name)), ("kty", .text("EC")), ("x", .bytes(x)), ("y", .bytes(y))]
        case .ed25519(let x, _): [("crv", .text("Ed25519")), ("kty", .text("OKP")), ("x", .bytes(x))]
        case .secret(let k): [("k", .bytes(k)), ("kty", .text("oct"))]
        }
    }

    private var secrets: [(name: StaticString, value: Value)] {
        switch self {
        case .rsa(_, _, let secrets?):
            [
                ("d", .bytes(secrets.d)), ("p", .bytes(secrets.p)), ("q", .bytes(secrets.q)), ("dp", .bytes(secrets.dp)),
                ("dq", .bytes(secrets.dq)), ("qi", .bytes(secrets.qi)),
            ]
        case .ec(_, _, _, let d?), .ed25519(_, let d?): [("d", .bytes(d))]
        default: []
        }
    }

    private static func write(_ name: StaticString, _ value: Value, to json: inout JSONWriter<[UInt8]>) {
        json.name(name)
        switch value {
        case .text(let text): json.string("\(text)")
        case .bytes(let bytes): json.string(utf8: Base64URL.encode(bytes.span))
        }
    }
}
