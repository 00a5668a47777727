/** What goes wrong at one broker: its process, its disk, its clocks, its clients. */
import type { FaultKind } from './fault-kind.ts'

export const machineFaults: readonly FaultKind[] = [
  {
    name: 'crash',
    losesUnsynced: true,
    lastsMs: 5000,
    begin: (_field, broker) => {
      broker.crash()
      return () => broker.start()
    }
  },
  {
    name: 'kill',
    lastsMs: 5000,
    begin: (_field, broker) => {
      broker.kill()
      return () => broker.start()
    }
  },
  {
    name: 'stop',
    lastsMs: 2000,
    begin: (_field, broker) => {
      let over = false
      broker.stop(() => { if (over) broker.start() })
      return () => {
        over = true
        // One that has not ended by now is in the middle of it, and begins again by itself.
        broker.start()
      }
    }
  },
  {
    name: 'pause',
    lastsMs: 6000,
    begin: (_field, broker) => {
      broker.pause()
      return () => broker.goOn()
    }
  },
  {
    name: 'failed-sync',
    losesUnsynced: true,
    lastsMs: 3000,
    begin: ({ chance }, broker) => {
      broker.faults.syncFails = 0.02 + 0.3 * chance.next()
      return () => { broker.faults.syncFails = 0 }
    }
  },
  {
    name: 'failed-io',
    losesUnsynced: true,
    lastsMs: 2000,
    begin: ({ chance }, broker) => {
      broker.faults.othersFail = 0.01 + 0.1 * chance.next()
      return () => { broker.faults.othersFail = 0 }
    }
  },
  {
    name: 'slow-disk',
    lastsMs: 8000,
    begin: ({ chance }, broker) => {
      broker.faults.slowness = 10 ** (1 + 2 * chance.next())
      return () => { broker.faults.slowness = 1 }
    }
  },
  {
    name: 'full-disk',
    lastsMs: 8000,
    begin: ({ chance }, broker) => {
      broker.room(Math.floor(chance.next() * 4096))
      return () => broker.room(Infinity)
    }
  },
  {
    name: 'clock-drift',
    lastsMs: 20_000,
    begin: ({ chance }, broker) => {
      broker.clock.setRate(0.9 + 0.2 * chance.next())
      return () => broker.clock.setRate(1)
    }
  },
  {
    name: 'clock-jump',
    lastsMs: 10_000,
    begin: ({ chance }, broker) => {
      const ms = Math.floor((chance.next() - 0.5) * 7_200_000)
      broker.clock.jump(ms)
      return () => broker.clock.jump(-ms)
    }
  },
  {
    name: 'clients-cut-off',
    lastsMs: 8000,
    begin: ({ clients }, broker) => {
      clients.cut.add(broker.number)
      return () => { clients.cut.delete(broker.number) }
    }
  }
]
