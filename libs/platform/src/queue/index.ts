export { QUEUE_SCHEMA } from './backend';
export { Bell, BellListener, BullBell, type Listener, type QueueConnection, type Ring } from './bell';
