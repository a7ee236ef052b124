/** The gRPC method of the client port, as `libs/client/client.proto` publishes it. */
export const CLIENT_SERVICE_PATH = '/quorate.client.v1.KvStream/Exchange';
