import ArgumentParser
import CShim
import Contracts
import EventCore
import Gateway
import Glibc
import Reactor
import Routes
import Settings
import Stores
import TLS
import Telemetry

/// `nexus-gateway run`: the daemon.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Serve until SIGTERM (drain; a second one ends at once).",
        discussion: "SIGHUP reads the files again, SIGUSR1 reopens the access log.")

    @OptionGroup var options: ConfigurationOptions

    func run() throws {
        // Before any thread exists, so that all of them leave signals to the one that waits for them.
        let signals = Signals()
        let vault = TicketVault()
        let loaded = try options.load(vault: vault, breaking: .warning)
        let daemon = try Daemon(loaded, options: options, vault: vault)
        daemon.serve(loaded.contracts, until: signals)
    }
}

extension SnapshotRule {
    init(_ settings: Store.Snapshots) {
        self.init(events: settings.events, bytes: Int(settings.bytes), age: Int64(settings.age) * 1000)
    }
}

extension RepetitionLimits {
    init(_ settings: IdempotencySettings) {
        // One principal gets a tenth, and those whom nobody knows leave a tenth to the others.
        self.init(
            window: Int64(settings.window) * 1000, records: settings.records, lease: Int64(settings.lease) * 1000,
            ofOne: (settings.records + 9) / 10, ofUnknown: settings.records - settings.records / 10)
    }
}

/// The parts of the process put together, and the thread that listens to its signals.
private struct Daemon {
    private let options: ConfigurationOptions
    private let vault: TicketVault
    private let log: Log
    private let meters: Meters
    private let accessLog: LogWriter?
    private let store: SQLiteEventStore
    private let snapshots: SQLiteSnapshotStore
    private let gateway: Gateway
    private let writeSide: WriteSide
    private let notice = ServiceNotice()
    private let configuration: Configuration
    private let eventSchemas: Int

    init(_ loaded: LoadedConfiguration, options: ConfigurationOptions, vault: TicketVault) throws {
        let configuration = loaded.configuration
        self.vault = vault
        self.options = options
        self.configuration = configuration
        eventSchemas = loaded.eventSchemas.count
        log = Log(service: configuration.telemetry.service)
        meters = Meters(parseErrors: Gateway.parseErrorReasons)
        var files: UInt64 = 0
        let problem = nx_raise_file_limit(&files)
        if problem != 0 { log.warning("the limit of open files stays as it is", ["errno": "\(problem)"]) }
        do {
            accessLog = try configuration.accessLog.map { try LogWriter(path: $0.path) }
            let store = try SQLiteEventStore(
                path: configuration.store.path,
                options: .init(mostBytes: configuration.store.maxBytes == 0 ? .max : Int(configuration.store.maxBytes)))
            self.store = store
            let snapshots = try SQLiteSnapshotStore(path: SQLiteSnapshotStore.path(ofEvents: configuration.store.path))
            self.snapshots = snapshots
            let (meters, log) = (self.meters, self.log)
            var opened: WriteSide?
            gateway = try Gateway(
                configuration: configuration, table: loaded.table, tls: loaded.tls, contracts: loaded.contracts,
                stages: loaded.stages,
                meters: meters, log: log, accessLog: accessLog,
                inherited: ServiceSockets.inherited(),
                startCore: { deliver in
                    let core = try EventLog(
                        store: store, snapshots: snapshots,
                        options: .init(
                            queue: configuration.store.queue, group: configuration.store.group,
                            aggregates: configuration.store.aggregatesInMemory,
                            snapshots: SnapshotRule(configuration.store.snapshots), schemas: loaded.eventSchemas,
                            rules: DecisionRules(stockBelowZero: configuration.inventory.belowZero),
                            repetitions: RepetitionLimits(configuration.idempotency),
                            // Never fewer than there may be sessions.
                            deliveries: DeliveryLimits(sessions: max(1_000_000, configuration.mqtt.sessions)),
                            onInvalid: { event in
                                let what = event.violations.map { "\($0.pointer) \($0.error)" }.joined(separator: "; ")
                                log.error("event refused by its schema", ["type": event.type, "violations": what])
                            }), deliver: deliver)
                    meters.add { CoreSeries.families(of: core) }
                    return core
                },
                openDesks: { core, calls, deliver, tell in
                    let side = try WriteSide(
                        loaded, core: core, store: store, calls: calls, log: log, deliver: deliver, tell: tell)
                    opened = side
                    let (flags, known) = (side.flags, loaded.table.flags)
                    try Blocking.run { try await flags.restore(known) }
                    flags.note(to: log)
                    meters.add { side.families() }
                    return side.desks
                })
            // The gateway has asked for it, or has not been made.
            guard let side = opened else { throw ExitCode.failure }
            writeSide = side
            try Blocking.run { [inlet = gateway.inlet] in try await side.begin(inlet) }
            side.tell(every: configuration.mqtt.systemTopics, of: meters)
        } catch {
            log.error("cannot start", ["error": "\(error)", "store": configuration.store.path])
            throw ExitCode(71)  // EX_OSERR
        }
    }

    func serve(_ contracts: RouteContracts, until signals: Signals) {
        listContracts(contracts)
        log.info("event schemas", ["count": "\(eventSchemas)"])
        for (name, address) in gateway.listening { announce("listening \(name) \(address)") }
        announce("ready")
        notice.ready(status: "serving")
        var drainingUntilNS: UInt64?
        var listeningUntilNS: UInt64?
        var turns = gateway.turns
        let watchdogMS = notice.watchdogMicroseconds.map { max(1500, Int($0 / 2000)) }
        while true {
            let left = [drainingUntilNS, listeningUntilNS].compactMap { $0 }.min().map {
                Int(($0 - min($0, nx_monotonic_ns())) / 1_000_000) + 1
            }
            switch signals.next(timeoutMS: [watchdogMS, left].compactMap { $0 }.min()) {
            case .timeout:
                if let until = listeningUntilNS, nx_monotonic_ns() >= until {
                    gateway.closeListeners()
                    listeningUntilNS = nil
                }
                if let until = drainingUntilNS, nx_monotonic_ns() >= until {
                    gateway.stop()
                    drainingUntilNS = .max
                }
                // Only while every worker makes progress; a hung one is the manager's to restart.
                let now = gateway.turns
                if watchdogMS != nil, !zip(now, turns).contains(where: ==) { notice.watchdog() }
                turns = now
            case .reload:
                if drainingUntilNS == nil { reload() }
            case .reopen: accessLog?.reopen()
            case .terminate where drainingUntilNS != nil: gateway.stop()
            case .terminate:
                let drainNS = UInt64(configuration.drain) * 1_000_000
                drainingUntilNS = nx_monotonic_ns() + drainNS
                // What comes in the first half has the second to finish in.
                listeningUntilNS = nx_monotonic_ns() + drainNS / 2
                notice.stopping(status: "draining")
                log.info("draining", ["atMostMs": "\(configuration.drain)"])
                gateway.drain(isHeld: true)
                do {
                    try signals.tellWhenDone { [gateway, writeSide] in
                        Blocking.run { await writeSide.settle(withinMS: drainNS / 1_000_000) }
                        writeSide.closeBridges()
                        gateway.release()
                        gateway.wait { Blocking.run { await writeSide.close() } }
                    }
                } catch {
                    log.error("cannot wait for the drain", ["error": "\(error)"])
                    gateway.stop()
                    return
                }
            case .drained:
                snapshots.close()
                store.close()
                log.info("stopped")
                return
            }
        }
    }

    /// What is known of messages, for whoever reads the log of a start.
    private func listContracts(_ contracts: RouteContracts) {
        guard let schema = contracts.schema else { return }
        log.info(
            "contracts", [
                "services": schema.services.map(\.name).joined(separator: " "), "methods": "\(schema.methods.count)",
            ])
    }

    /// An invalid file changes nothing, and says where and why.
    private func reload() {
        notice.reloading(monotonicNS: nx_monotonic_ns())
        defer { notice.ready(status: "serving") }
        switch LoadedConfiguration.load(options.config, vault: vault, breaking: .warning) {
        case .failure(let invalid):
            ConfigurationOptions.report(invalid.diagnostics)
            meters.countReloadFailure()
            log.error("reload refused: the configuration is invalid", ["problems": "\(invalid.diagnostics.count)"])
        case .success(let loaded):
            ConfigurationOptions.report(loaded.warnings)
            let now = loaded.configuration
            for (what, changed) in [
                ("workers", now.workers != configuration.workers), ("affinity", now.affinity != configuration.affinity),
                ("store", now.store != configuration.store),
                ("contracts", now.eventSchemas != configuration.eventSchemas),
                ("idempotency", now.idempotency != configuration.idempotency),
                ("identity.tokens_in_memory", now.identity.tokensInMemory != configuration.identity.tokensInMemory),
                ("checkout", now.checkout != configuration.checkout), ("bus", now.bus != configuration.bus),
                ("mqtt", now.mqtt != configuration.mqtt || MQTTSide.isWanted(by: now) != MQTTSide.isWanted(by: configuration)),
                ("bridges", now.bridges != configuration.bridges),
                ("listeners", now.allListeners.map(\.address) != configuration.allListeners.map(\.address)
                    || now.allListeners.map(\.name) != configuration.allListeners.map(\.name)),
            ] where changed {
                log.warning("needs a restart to change", ["section": what])
            }
            let (flags, known) = (writeSide.flags, loaded.table.flags)
            do {
                try Blocking.run { try await flags.restore(known) }
            } catch {
                meters.countReloadFailure()
                return log.error("reload refused: the flags' weights cannot be read", ["error": "\(error)"])
            }
            let number = gateway.adopt(now, loaded.table, loaded.tls, loaded.contracts, loaded.stages)
            log.info("reloaded", ["generation": "\(number)"])
            flags.note(to: log)
            listContracts(loaded.contracts)
        }
    }

    /// What supervisors, scripts and people wait for: one plain line on standard error.
    private func announce(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
