import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, Worker } from '@temporalio/worker';

/** Run workflows until interrupted. */
async function main(): Promise<void> {
  const { connectionOptions, namespace } = loadClientConnectConfig();
  const connection = await NativeConnection.connect(connectionOptions);
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: 'shop',
    workflowsPath: require.resolve('./workflows'),
  });
  await worker.runUntil(new Promise<void>((stop) => {
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
    console.log('worker runs');
  }));
  await connection.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
