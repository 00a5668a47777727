// Command franz produces to and consumes from a topic with franz-go and prints one JSON line.
//
//	franz produce|consume --broker HOST:PORT --topic T --records N --value-bytes B
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type outcome struct {
	Messages int64   `json:"messages"`
	Bytes    int64   `json:"bytes"`
	Seconds  float64 `json:"seconds"`
	// Sum over the messages of a hash of each value: the same in both directions, whatever the order.
	Checksum string `json:"checksum"`
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// hash is FNV-1a over the first bytes, which number the message, and the length.
func hash(value []byte) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(value) && i < 16; i++ {
		h = (h ^ uint64(value[i])) * 1099511628211
	}
	return h ^ uint64(len(value))
}

func produce(ctx context.Context, broker, topic string, records int64, valueBytes int) outcome {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic(topic), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(20000))
	if err != nil {
		fail(err)
	}
	defer client.Close()
	random := rand.New(rand.NewSource(20240607))
	// A ring of values: more than can be buffered, so none changes while it waits.
	values := make([][]byte, 32768)
	for i := range values {
		values[i] = make([]byte, valueBytes)
		random.Read(values[i])
	}
	var failed atomic.Value
	var sum uint64
	started := time.Now()
	for i := int64(0); i < records; i++ {
		value := values[i%int64(len(values))]
		sum += hash(value)
		client.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.CompareAndSwap(nil, err)
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		fail(err)
	}
	if err, ok := failed.Load().(error); ok {
		fail(err)
	}
	return outcome{records, records * int64(valueBytes), time.Since(started).Seconds(), fmt.Sprintf("%016x", sum)}
}

func consume(ctx context.Context, broker, topic string, records int64) outcome {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		fail(err)
	}
	defer client.Close()
	var got outcome
	var sum uint64
	started := time.Now()
	for got.Messages < records {
		fetches := client.PollFetches(ctx)
		if errs := fetches.Errors(); len(errs) > 0 {
			fail(errs[0].Err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			got.Messages++
			got.Bytes += int64(len(record.Value))
			sum += hash(record.Value)
		})
	}
	got.Seconds = time.Since(started).Seconds()
	got.Checksum = fmt.Sprintf("%016x", sum)
	return got
}

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("franz produce|consume --broker HOST:PORT --topic T --records N --value-bytes B"))
	}
	flags := flag.NewFlagSet("franz", flag.ExitOnError)
	broker := flags.String("broker", "127.0.0.1:9092", "where the broker listens")
	topic := flags.String("topic", "franz", "a topic that is there")
	records := flags.Int64("records", 100000, "how many messages")
	valueBytes := flags.Int("value-bytes", 1024, "bytes of each value")
	seconds := flags.Int("seconds", 300, "gives up after that")
	if err := flags.Parse(os.Args[2:]); err != nil {
		fail(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(*seconds)*time.Second)
	defer cancel()
	var result outcome
	switch os.Args[1] {
	case "produce":
		result = produce(ctx, *broker, *topic, *records, *valueBytes)
	case "consume":
		result = consume(ctx, *broker, *topic, *records)
	default:
		fail(fmt.Errorf("%s is neither produce nor consume", os.Args[1]))
	}
	line, err := json.Marshal(result)
	if err != nil {
		fail(err)
	}
	fmt.Println(string(line))
}
