export { QUEUE_SCHEMA } from './backend';
export { Bell, BellListener, BullBell, type QueueConnection, type Ring } from './bell';
