// Talks to a broker with franz-go on behalf of the client tests:
//
//	franz produce BROKER TOPIC CODEC       JSON lines on stdin, to partition 0
//	franz consume BROKER TOPIC COUNT       JSON lines on stdout, from the start of partition 0
//	franz produce-file BROKER TOPIC PATH   one record a line
//	franz consume-file BROKER TOPIC PATH COUNT
//	franz member BROKER TOPIC GROUP        events as JSON lines, until stdin ends
//
// Its producer is idempotent, as franz-go's is unless told otherwise.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type sample struct {
	Key     *string      `json:"key"`
	Value   *string      `json:"value"`
	Headers [][2]*string `json:"headers"`
}

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func main() {
	command, broker, topic, rest := os.Args[1], os.Args[2], os.Args[3], os.Args[4:]
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var err error
	switch command {
	case "produce":
		err = produce(ctx, broker, topic, rest[0])
	case "consume":
		err = consume(ctx, broker, topic, rest[0], os.Stdout, writeSample)
	case "produce-file":
		err = produceFile(ctx, broker, topic, rest[0])
	case "consume-file":
		var file *os.File
		if file, err = os.Create(rest[0]); err == nil {
			err = consume(ctx, broker, topic, rest[1], file, writeLine)
		}
	case "member":
		err = member(ctx, broker, topic, rest[0])
	default:
		err = fmt.Errorf("%s: no such command", command)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func newProducer(broker, topic, codec string, options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(options, kgo.SeedBrokers(broker), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(codecs[codec]))...)
}

func produce(ctx context.Context, broker, topic, codec string) error {
	client, err := newProducer(broker, topic, codec)
	if err != nil {
		return err
	}
	defer client.Close()
	for decoder := json.NewDecoder(os.Stdin); ; {
		var next sample
		if err := decoder.Decode(&next); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		record := &kgo.Record{Key: toBytes(next.Key), Value: toBytes(next.Value)}
		for _, header := range next.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: *header[0], Value: toBytes(header[1])})
		}
		client.Produce(ctx, record, exitOnError)
	}
	return client.Flush(ctx)
}

func produceFile(ctx context.Context, broker, topic, path string) error {
	client, err := newProducer(broker, topic, "none")
	if err != nil {
		return err
	}
	defer client.Close()
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		client.Produce(ctx, &kgo.Record{Value: append([]byte{}, lines.Bytes()...)}, exitOnError)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return client.Flush(ctx)
}

func consume(ctx context.Context, broker, topic, countText string, to io.Writer, write func(io.Writer, *kgo.Record) error) error {
	count, err := strconv.Atoi(countText)
	if err != nil {
		return err
	}
	start := map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumePartitions(start))
	if err != nil {
		return err
	}
	defer client.Close()
	out := bufio.NewWriter(to)
	for seen := 0; seen < count; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("after %d of %d records: %w", seen, count, err)
		}
		for records := fetches.RecordIter(); !records.Done() && seen < count; seen++ {
			if err := write(out, records.Next()); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

func member(ctx context.Context, broker, topic, group string) error {
	var mutex sync.Mutex
	assigned := map[int32]bool{}
	change := func(partitions map[string][]int32, isMine bool) {
		mutex.Lock()
		defer mutex.Unlock()
		for _, partition := range partitions[topic] {
			if isMine {
				assigned[partition] = true
			} else {
				delete(assigned, partition)
			}
		}
		list := []int32{}
		for partition := range assigned {
			list = append(list, partition)
		}
		text, _ := json.Marshal(list)
		fmt.Printf("{\"assigned\":%s}\n", text)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.AutoCommitInterval(100*time.Millisecond),
		kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(500*time.Millisecond), kgo.FetchMaxWait(200*time.Millisecond),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) { change(partitions, true) }),
		kgo.OnPartitionsRevoked(func(ctx context.Context, client *kgo.Client, partitions map[string][]int32) {
			_ = client.CommitUncommittedOffsets(ctx)
			change(partitions, false)
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) { change(partitions, false) }))
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		fetches.EachRecord(func(record *kgo.Record) {
			fmt.Printf("{\"partition\":%d,\"offset\":%d}\n", record.Partition, record.Offset)
		})
	}
	client.Close()
	return nil
}

func writeLine(to io.Writer, record *kgo.Record) error {
	_, err := to.Write(append(record.Value, '\n'))
	return err
}

func writeSample(to io.Writer, record *kgo.Record) error {
	out := sample{Key: toText(record.Key), Value: toText(record.Value), Headers: [][2]*string{}}
	for _, header := range record.Headers {
		out.Headers = append(out.Headers, [2]*string{&header.Key, toText(header.Value)})
	}
	return json.NewEncoder(to).Encode(out)
}

func exitOnError(_ *kgo.Record, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func toBytes(text *string) []byte {
	if text == nil {
		return nil
	}
	return []byte(*text)
}

func toText(bytes []byte) *string {
	if bytes == nil {
		return nil
	}
	text := string(bytes)
	return &text
}
