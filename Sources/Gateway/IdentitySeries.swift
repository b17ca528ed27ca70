import Identity
import Telemetry

/// The stage `identify` as metric families.
enum IdentitySeries {
    static func families(_ tallies: [IdentityTally], _ issuers: [IssuerFigures], revocations: Int) -> [Family] {
        func total(_ event: IdentityTally.Event) -> UInt64 { tallies.reduce(0) { $0 + $1.read(event) } }
        func sample(_ event: IdentityTally.Event, _ label: String, _ word: String) -> Sample {
            Sample(.integer(total(event)), labels: [(label, word)])
        }
        let refused = CredentialFault.allCases.map { fault in
            Sample(.integer(tallies.reduce(0) { $0 + $1.read(fault) }), labels: [("reason", "\(fault.label)")])
        }
        return [
            Family(
                "nexus_identified", .counter, "Requests that identify let pass, by who asked.",
                samples: [
                    sample(.user, "kind", "user"), sample(.service, "kind", "service"), sample(.session, "kind", "session"),
                    sample(.anonymous, "kind", "anonymous"),
                ]),
            Family("nexus_identify_refused", .counter, "Requests that identify refused.", samples: refused),
            Family(
                "nexus_token_cache", .counter, "Tokens looked for among those seen before.",
                samples: [sample(.cacheHit, "result", "hit"), sample(.cacheMiss, "result", "miss")]),
            Family("nexus_identify_waited", .counter, "Requests that waited for keys of an issuer.", .integer(total(.waited))),
            Family("nexus_leases_ended", .counter, "Streams ended because their credential was.", .integer(total(.ended))),
            Family("nexus_revocations", .gauge, "Revocations that have not expired.", .integer(UInt64(revocations))),
        ] + keys(issuers)
    }

    private static func keys(_ issuers: [IssuerFigures]) -> [Family] {
        guard !issuers.isEmpty else { return [] }
        return [
            Family(
                "nexus_issuer_keys", .gauge, "Keys of an issuer that are in force.",
                samples: issuers.map { Sample(.integer(UInt64($0.keys)), labels: [("issuer", $0.name)]) }),
            Family(
                "nexus_issuer_keys_age_seconds", .gauge, "Since the keys of an issuer were last seen to be good.", unit: "seconds",
                samples: issuers.compactMap { issuer in
                    issuer.ageMS.map { Sample(.nanoseconds($0 * 1_000_000), labels: [("issuer", issuer.name)]) }
                }),
            Family(
                "nexus_issuer_fetches", .counter, "Fetches of key sets.",
                samples: issuers.map { Sample(.integer($0.fetches), labels: [("issuer", $0.name)]) }),
            Family(
                "nexus_issuer_fetch_failures", .counter, "Fetches of key sets that brought none.",
                samples: issuers.flatMap { issuer in
                    FetchFault.allCases.map { fault in
                        Sample(
                            .integer(issuer.failures[Int(fault.rawValue)]), labels: [("issuer", issuer.name), ("reason", "\(fault.label)")])
                    }
                }),
        ]
    }
}

extension IssuerDirectory.Note {
    func write(to log: Log) {
        guard let fault else { return log.info("the keys of an issuer can be had again", ["issuer": issuer]) }
        log.warning("the keys of an issuer cannot be had", ["issuer": issuer, "reason": "\(fault.label)"])
    }
}
