/** What programs import: an embedded broker. */
export { startBroker, type Broker, type BrokerOptions } from './broker.ts'
export { ConfigError } from './base/setting.ts'
