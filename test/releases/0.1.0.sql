-- database Coordinator/38927925223d47ec6e980890d18019faf85149249e5c98f27029e559b4e0bbeb.sqlite
CREATE TABLE _cf_METADATA (
        key INTEGER PRIMARY KEY,
        value BLOB
      );
CREATE TABLE copy (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id TEXT NOT NULL,
        spec TEXT NOT NULL,              -- CopySpec
        job TEXT NOT NULL,               -- Job
        created_at_ms INTEGER NOT NULL,
        started_at_ms INTEGER,
        ended_at_ms INTEGER,
        reported TEXT,                   -- what the registry knows: the phase and the number of debts
        healths TEXT NOT NULL            -- Healths
      );
CREATE TABLE debts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        debt TEXT NOT NULL,              -- Debt
        since_ms INTEGER NOT NULL,
        failed_attempts INTEGER NOT NULL,
        next_try_ms INTEGER,             -- null: given up
        failure TEXT NOT NULL            -- Failure, of the last try
      );
CREATE TABLE flights (
        part_number INTEGER NOT NULL, attempt INTEGER NOT NULL, lane INTEGER NOT NULL,
        lost_at_ms INTEGER,               -- when another attempt won; null: the race is open
        PRIMARY KEY (part_number, attempt)
      );
CREATE TABLE lanes (lane INTEGER PRIMARY KEY, seen_at_ms INTEGER NOT NULL);
CREATE TABLE parts (
        part_number INTEGER PRIMARY KEY,
        state TEXT NOT NULL,              -- pending | leased | lost | done
        attempt INTEGER NOT NULL,         -- the current one; rises over all uploads of this copy
        resends INTEGER NOT NULL DEFAULT 0, -- how often it arrived wrong or not at all
        failed_attempts INTEGER NOT NULL,
        own_failures INTEGER NOT NULL DEFAULT 0, -- how many of these were not caused by a store in trouble
        lane INTEGER,                     -- of the current or last attempt
        leased_at_ms INTEGER,
        raced INTEGER NOT NULL DEFAULT 0, -- 1: sent twice at once; its attempts under way are flights
        not_before_ms INTEGER NOT NULL,   -- pending: backoff until then
        length INTEGER NOT NULL,          -- bytes
        etag TEXT,                        -- done: as the store returned it
        digests TEXT,                     -- done: PartDigests of the bytes that passed
        held_etag TEXT,                   -- pending, leased: the store has it; see PartTask
        refused_etag TEXT,                -- of an attempt whose ETag was not the MD5 of its bytes
        duration_ms INTEGER,
        done_at_ms INTEGER
      );
CREATE TABLE spent (one INTEGER PRIMARY KEY, spent TEXT NOT NULL);
CREATE TABLE timeline (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, event TEXT NOT NULL, detail TEXT
      );
CREATE TABLE totals (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        attempts INTEGER NOT NULL,        -- of the uploads before this one
        failed_attempts INTEGER NOT NULL,
        attempt_base INTEGER NOT NULL,    -- the highest attempt of the uploads before this one
        opaque_etags INTEGER NOT NULL,    -- 1: this store's part ETags are known not to be MD5s
        raced INTEGER NOT NULL            -- parts that were sent twice at once
      );
CREATE TABLE warnings (text TEXT PRIMARY KEY);
INSERT INTO "_cf_METADATA" VALUES (1, NULL);
INSERT INTO "copy" VALUES (1, '01m8kn2sd654mww2hxsnn9d2d3', '{"source":{"store":"east","bucket":"source","key":"one"},"destination":{"store":"west","bucket":"destination","key":"again"},"partSizeBytes":null,"lanes":8,"firstLanes":8,"concurrency":40,"ifExists":"overwrite","ifBusy":"fail","ifSourceChanges":"fail","verify":"auto","metadata":"preserve","attributes":{},"storageClass":null,"tags":"preserve","ifLossy":"warn","markCopy":true,"via":"auto","location":null,"startedBy":"full","known":[]}', '{"phase":"completed","object":{"sourceEtag":"\"6cfe0957eca05db80e1fd2e03659b8c3\"","plan":{"kind":"whole","sizeBytes":12},"via":"stream","copyId":"2514df08-479c-4244-85f4-b0b664f6cc50@f6c0bd6146faa863/6cfe0957eca05db80e1fd2e03659b8c3","headers":{"content-type":"binary/octet-stream","x-amz-meta-bucket-brigade-copy":"2514df08-479c-4244-85f4-b0b664f6cc50@f6c0bd6146faa863/6cfe0957eca05db80e1fd2e03659b8c3"},"proof":{"etag":"kept","contentMd5":"6cfe0957eca05db80e1fd2e03659b8c3","digests":[],"sourceChecksum":null,"destinationChecksums":[]},"timesRedone":0,"timesRefused":0,"restarts":0,"ifExists":"overwrite","ifSourceChanges":"fail","onlyIfAbsent":false},"result":{"kind":"copied","etag":"\"6cfe0957eca05db80e1fd2e03659b8c3\"","proof":"etag"}}', 1795955975590, 1795955975600, 1795955975660, 'completed/0', '{"source":{"tokens":500,"failingSinceMs":null,"failures":0,"probeAtMs":0},"destination":{"tokens":500,"failingSinceMs":null,"failures":0,"probeAtMs":0},"mesh":{"tokens":500,"failingSinceMs":null,"failures":0,"probeAtMs":0}}');
INSERT INTO "parts" VALUES (1, 'done', 1, 0, 0, 0, 1, 1795955975632, 0, 0, 12, '"6cfe0957eca05db80e1fd2e03659b8c3"', '{}', NULL, NULL, 9, 1795955975645);
INSERT INTO "spent" VALUES (1, '{"source":{"put":0,"list":0,"get":2,"head":1,"delete":0,"bytes":12},"destination":{"put":1,"list":0,"get":0,"head":1,"delete":0,"bytes":0}}');
INSERT INTO "timeline" VALUES (1, 1795955975596, 'created', NULL);
INSERT INTO "timeline" VALUES (2, 1795955975621, 'sized', '12 bytes, whole, streamed');
INSERT INTO "timeline" VALUES (3, 1795955975621, 'phase_uploading', NULL);
INSERT INTO "timeline" VALUES (4, 1795955975654, 'parts_checked', NULL);
INSERT INTO "timeline" VALUES (5, 1795955975654, 'phase_verifying', NULL);
INSERT INTO "timeline" VALUES (6, 1795955975660, 'verified', 'etag');
INSERT INTO "timeline" VALUES (7, 1795955975660, 'phase_completed', NULL);
INSERT INTO "totals" VALUES (1, 0, 0, 0, 0, 0);
INSERT INTO "sqlite_sequence" VALUES ('timeline', 7);

-- database Coordinator/71a617ad405893233a87c6b53deeb62bccfbc41074c167beb0659b89dd538a94.sqlite
CREATE TABLE _cf_METADATA (
        key INTEGER PRIMARY KEY,
        value BLOB
      );
CREATE TABLE copy (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id TEXT NOT NULL,
        spec TEXT NOT NULL,              -- CopySpec
        job TEXT NOT NULL,               -- Job
        created_at_ms INTEGER NOT NULL,
        started_at_ms INTEGER,
        ended_at_ms INTEGER,
        reported TEXT,                   -- what the registry knows: the phase and the number of debts
        healths TEXT NOT NULL            -- Healths
      );
CREATE TABLE debts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        debt TEXT NOT NULL,              -- Debt
        since_ms INTEGER NOT NULL,
        failed_attempts INTEGER NOT NULL,
        next_try_ms INTEGER,             -- null: given up
        failure TEXT NOT NULL            -- Failure, of the last try
      );
CREATE TABLE flights (
        part_number INTEGER NOT NULL, attempt INTEGER NOT NULL, lane INTEGER NOT NULL,
        lost_at_ms INTEGER,               -- when another attempt won; null: the race is open
        PRIMARY KEY (part_number, attempt)
      );
CREATE TABLE lanes (lane INTEGER PRIMARY KEY, seen_at_ms INTEGER NOT NULL);
CREATE TABLE parts (
        part_number INTEGER PRIMARY KEY,
        state TEXT NOT NULL,              -- pending | leased | lost | done
        attempt INTEGER NOT NULL,         -- the current one; rises over all uploads of this copy
        resends INTEGER NOT NULL DEFAULT 0, -- how often it arrived wrong or not at all
        failed_attempts INTEGER NOT NULL,
        own_failures INTEGER NOT NULL DEFAULT 0, -- how many of these were not caused by a store in trouble
        lane INTEGER,                     -- of the current or last attempt
        leased_at_ms INTEGER,
        raced INTEGER NOT NULL DEFAULT 0, -- 1: sent twice at once; its attempts under way are flights
        not_before_ms INTEGER NOT NULL,   -- pending: backoff until then
        length INTEGER NOT NULL,          -- bytes
        etag TEXT,                        -- done: as the store returned it
        digests TEXT,                     -- done: PartDigests of the bytes that passed
        held_etag TEXT,                   -- pending, leased: the store has it; see PartTask
        refused_etag TEXT,                -- of an attempt whose ETag was not the MD5 of its bytes
        duration_ms INTEGER,
        done_at_ms INTEGER
      );
CREATE TABLE spent (one INTEGER PRIMARY KEY, spent TEXT NOT NULL);
CREATE TABLE timeline (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, event TEXT NOT NULL, detail TEXT
      );
CREATE TABLE totals (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        attempts INTEGER NOT NULL,        -- of the uploads before this one
        failed_attempts INTEGER NOT NULL,
        attempt_base INTEGER NOT NULL,    -- the highest attempt of the uploads before this one
        opaque_etags INTEGER NOT NULL,    -- 1: this store's part ETags are known not to be MD5s
        raced INTEGER NOT NULL            -- parts that were sent twice at once
      );
CREATE TABLE warnings (text TEXT PRIMARY KEY);
INSERT INTO "_cf_METADATA" VALUES (1, NULL);
INSERT INTO "copy" VALUES (1, '01m8kn2s28fxxwvtya5391bgyz', '{"source":{"store":"east","bucket":"source","key":"one"},"destination":{"store":"west","bucket":"destination","key":"one"},"partSizeBytes":null,"lanes":8,"firstLanes":8,"concurrency":40,"ifExists":"overwrite","ifBusy":"fail","ifSourceChanges":"fail","verify":"auto","metadata":"preserve","attributes":{},"storageClass":null,"tags":"preserve","ifLossy":"warn","markCopy":true,"via":"auto","location":null,"startedBy":"full","known":[]}', '{"phase":"completed","object":{"sourceEtag":"\"6cfe0957eca05db80e1fd2e03659b8c3\"","plan":{"kind":"whole","sizeBytes":12},"via":"stream","copyId":"88fa5393-b9ed-48df-85b0-bc191a47a160@3f8be7dbb5a0953f/6cfe0957eca05db80e1fd2e03659b8c3","headers":{"content-type":"binary/octet-stream","x-amz-meta-bucket-brigade-copy":"88fa5393-b9ed-48df-85b0-bc191a47a160@3f8be7dbb5a0953f/6cfe0957eca05db80e1fd2e03659b8c3"},"proof":{"etag":"kept","contentMd5":"6cfe0957eca05db80e1fd2e03659b8c3","digests":[],"sourceChecksum":null,"destinationChecksums":[]},"timesRedone":0,"timesRefused":0,"restarts":0,"ifExists":"overwrite","ifSourceChanges":"fail","onlyIfAbsent":false},"result":{"kind":"copied","etag":"\"6cfe0957eca05db80e1fd2e03659b8c3\"","proof":"etag"}}', 1795955975240, 1795955975256, 1795955975335, 'completed/0', '{"source":{"tokens":500,"failingSinceMs":null,"failures":0,"probeAtMs":0},"destination":{"tokens":500,"failingSinceMs":null,"failures":0,"probeAtMs":0},"mesh":{"tokens":500,"failingSinceMs":null,"failures":0,"probeAtMs":0}}');
INSERT INTO "parts" VALUES (1, 'done', 1, 0, 0, 0, 1, 1795955975284, 0, 0, 12, '"6cfe0957eca05db80e1fd2e03659b8c3"', '{}', NULL, NULL, 17, 1795955975305);
INSERT INTO "spent" VALUES (1, '{"source":{"put":0,"list":0,"get":2,"head":1,"delete":0,"bytes":12},"destination":{"put":1,"list":0,"get":0,"head":1,"delete":0,"bytes":0}}');
INSERT INTO "timeline" VALUES (1, 1795955975246, 'created', NULL);
INSERT INTO "timeline" VALUES (2, 1795955975273, 'sized', '12 bytes, whole, streamed');
INSERT INTO "timeline" VALUES (3, 1795955975273, 'phase_uploading', NULL);
INSERT INTO "timeline" VALUES (4, 1795955975321, 'parts_checked', NULL);
INSERT INTO "timeline" VALUES (5, 1795955975321, 'phase_verifying', NULL);
INSERT INTO "timeline" VALUES (6, 1795955975335, 'verified', 'etag');
INSERT INTO "timeline" VALUES (7, 1795955975335, 'phase_completed', NULL);
INSERT INTO "totals" VALUES (1, 0, 0, 0, 0, 0);
INSERT INTO "sqlite_sequence" VALUES ('timeline', 7);

-- database Coordinator/b289f2f4964687a636fb93bdaed3672279fd3189c11191f09a23e8aeda356330.sqlite
CREATE TABLE _cf_METADATA (
        key INTEGER PRIMARY KEY,
        value BLOB
      );
CREATE TABLE copy (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id TEXT NOT NULL,
        spec TEXT NOT NULL,              -- CopySpec
        job TEXT NOT NULL,               -- Job
        created_at_ms INTEGER NOT NULL,
        started_at_ms INTEGER,
        ended_at_ms INTEGER,
        reported TEXT,                   -- what the registry knows: the phase and the number of debts
        healths TEXT NOT NULL            -- Healths
      );
CREATE TABLE debts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        debt TEXT NOT NULL,              -- Debt
        since_ms INTEGER NOT NULL,
        failed_attempts INTEGER NOT NULL,
        next_try_ms INTEGER,             -- null: given up
        failure TEXT NOT NULL            -- Failure, of the last try
      );
CREATE TABLE failed (code TEXT PRIMARY KEY, times INTEGER NOT NULL);
CREATE TABLE flights (
        part_number INTEGER NOT NULL, attempt INTEGER NOT NULL, lane INTEGER NOT NULL,
        lost_at_ms INTEGER,               -- when another attempt won; null: the race is open
        PRIMARY KEY (part_number, attempt)
      );
CREATE TABLE lanes (lane INTEGER PRIMARY KEY, seen_at_ms INTEGER NOT NULL);
CREATE TABLE parts (
        part_number INTEGER PRIMARY KEY,
        state TEXT NOT NULL,              -- pending | leased | lost | done
        attempt INTEGER NOT NULL,         -- the current one; rises over all uploads of this copy
        resends INTEGER NOT NULL DEFAULT 0, -- how often it arrived wrong or not at all
        failed_attempts INTEGER NOT NULL,
        own_failures INTEGER NOT NULL DEFAULT 0, -- how many of these were not caused by a store in trouble
        lane INTEGER,                     -- of the current or last attempt
        leased_at_ms INTEGER,
        raced INTEGER NOT NULL DEFAULT 0, -- 1: sent twice at once; its attempts under way are flights
        not_before_ms INTEGER NOT NULL,   -- pending: backoff until then
        length INTEGER NOT NULL,          -- bytes
        etag TEXT,                        -- done: as the store returned it
        digests TEXT,                     -- done: PartDigests of the bytes that passed
        held_etag TEXT,                   -- pending, leased: the store has it; see PartTask
        refused_etag TEXT,                -- of an attempt whose ETag was not the MD5 of its bytes
        duration_ms INTEGER,
        done_at_ms INTEGER
      );
CREATE TABLE spent (one INTEGER PRIMARY KEY, spent TEXT NOT NULL);
CREATE TABLE timeline (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, event TEXT NOT NULL, detail TEXT
      );
CREATE TABLE totals (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        attempts INTEGER NOT NULL,        -- of the uploads before this one
        failed_attempts INTEGER NOT NULL,
        attempt_base INTEGER NOT NULL,    -- the highest attempt of the uploads before this one
        opaque_etags INTEGER NOT NULL,    -- 1: this store's part ETags are known not to be MD5s
        raced INTEGER NOT NULL            -- parts that were sent twice at once
      );
CREATE TABLE warnings (text TEXT PRIMARY KEY);
INSERT INTO "_cf_METADATA" VALUES (1, NULL);
INSERT INTO "copy" VALUES (1, '01m8kn2s5peaf7brx4r2fnqc5r', '{"source":{"store":"east","bucket":"source","key":"absent"},"destination":{"store":"west","bucket":"destination","key":"absent"},"partSizeBytes":null,"lanes":8,"firstLanes":8,"concurrency":40,"ifExists":"overwrite","ifBusy":"fail","ifSourceChanges":"fail","verify":"auto","metadata":"preserve","attributes":{},"storageClass":null,"tags":"preserve","ifLossy":"warn","markCopy":true,"via":"auto","location":null,"startedBy":"full","known":[]}', '{"phase":"failed","failure":{"side":"source","code":"NoSuchKey","message":"HeadObject of \"source/absent\": the store answered 404 NoSuchKey: The specified key does not exist.","operation":"HeadObject","status":404,"requestId":"A09480D600000011","retryAfterMs":null},"object":null}', 1795955975350, 1795955975361, 1795955975375, 'failed/0', '{"source":{"tokens":500,"failingSinceMs":null,"failures":0,"probeAtMs":0},"destination":{"tokens":500,"failingSinceMs":null,"failures":0,"probeAtMs":0},"mesh":{"tokens":500,"failingSinceMs":null,"failures":0,"probeAtMs":0}}');
INSERT INTO "failed" VALUES ('source_not_found', 1);
INSERT INTO "spent" VALUES (1, '{"source":{"put":0,"list":0,"get":1,"head":1,"delete":0,"bytes":0},"destination":{"put":0,"list":0,"get":0,"head":0,"delete":0,"bytes":0}}');
INSERT INTO "timeline" VALUES (1, 1795955975356, 'created', NULL);
INSERT INTO "timeline" VALUES (2, 1795955975375, 'step_failed', 'HeadObject of "source/absent": the store answered 404 NoSuchKey: The specified key does not exist.');
INSERT INTO "timeline" VALUES (3, 1795955975375, 'phase_failed', NULL);
INSERT INTO "totals" VALUES (1, 0, 0, 0, 0, 0);
INSERT INTO "sqlite_sequence" VALUES ('timeline', 3);

-- database Coordinator/f2c943b63a0e63bf8b683c1cba01c4726c95f33c1d18346494b671d05ce5d93a.sqlite
CREATE TABLE _cf_METADATA (
        key INTEGER PRIMARY KEY,
        value BLOB
      );
CREATE TABLE copy (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id TEXT NOT NULL,
        spec TEXT NOT NULL,              -- CopySpec
        job TEXT NOT NULL,               -- Job
        created_at_ms INTEGER NOT NULL,
        started_at_ms INTEGER,
        ended_at_ms INTEGER,
        reported TEXT,                   -- what the registry knows: the phase and the number of debts
        healths TEXT NOT NULL            -- Healths
      );
CREATE TABLE debts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        debt TEXT NOT NULL,              -- Debt
        since_ms INTEGER NOT NULL,
        failed_attempts INTEGER NOT NULL,
        next_try_ms INTEGER,             -- null: given up
        failure TEXT NOT NULL            -- Failure, of the last try
      );
CREATE TABLE flights (
        part_number INTEGER NOT NULL, attempt INTEGER NOT NULL, lane INTEGER NOT NULL,
        lost_at_ms INTEGER,               -- when another attempt won; null: the race is open
        PRIMARY KEY (part_number, attempt)
      );
CREATE TABLE lanes (lane INTEGER PRIMARY KEY, seen_at_ms INTEGER NOT NULL);
CREATE TABLE parts (
        part_number INTEGER PRIMARY KEY,
        state TEXT NOT NULL,              -- pending | leased | lost | done
        attempt INTEGER NOT NULL,         -- the current one; rises over all uploads of this copy
        resends INTEGER NOT NULL DEFAULT 0, -- how often it arrived wrong or not at all
        failed_attempts INTEGER NOT NULL,
        own_failures INTEGER NOT NULL DEFAULT 0, -- how many of these were not caused by a store in trouble
        lane INTEGER,                     -- of the current or last attempt
        leased_at_ms INTEGER,
        raced INTEGER NOT NULL DEFAULT 0, -- 1: sent twice at once; its attempts under way are flights
        not_before_ms INTEGER NOT NULL,   -- pending: backoff until then
        length INTEGER NOT NULL,          -- bytes
        etag TEXT,                        -- done: as the store returned it
        digests TEXT,                     -- done: PartDigests of the bytes that passed
        held_etag TEXT,                   -- pending, leased: the store has it; see PartTask
        refused_etag TEXT,                -- of an attempt whose ETag was not the MD5 of its bytes
        duration_ms INTEGER,
        done_at_ms INTEGER
      );
CREATE TABLE spent (one INTEGER PRIMARY KEY, spent TEXT NOT NULL);
CREATE TABLE timeline (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, event TEXT NOT NULL, detail TEXT
      );
CREATE TABLE totals (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        attempts INTEGER NOT NULL,        -- of the uploads before this one
        failed_attempts INTEGER NOT NULL,
        attempt_base INTEGER NOT NULL,    -- the highest attempt of the uploads before this one
        opaque_etags INTEGER NOT NULL,    -- 1: this store's part ETags are known not to be MD5s
        raced INTEGER NOT NULL            -- parts that were sent twice at once
      );
CREATE TABLE warnings (text TEXT PRIMARY KEY);
INSERT INTO "_cf_METADATA" VALUES (1, 1795955977101000000);
INSERT INTO "copy" VALUES (1, '01m8kn2rt75qwy7rc9xrj9b89k', '{"source":{"store":"east","bucket":"source","key":"long"},"destination":{"store":"west","bucket":"destination","key":"long"},"partSizeBytes":1048576,"lanes":8,"firstLanes":8,"concurrency":40,"ifExists":"overwrite","ifBusy":"fail","ifSourceChanges":"fail","verify":"auto","metadata":"preserve","attributes":{},"storageClass":null,"tags":"preserve","ifLossy":"warn","markCopy":true,"via":"auto","location":null,"startedBy":"full","known":[]}', '{"phase":"uploading","object":{"sourceEtag":"\"7aecf96fed3d8aec2c770eacb8e48def\"","plan":{"kind":"parts","sizeBytes":4194304,"partSizeBytes":1048576,"partCount":4},"via":"stream","copyId":"f72388b9-417b-4b88-87b3-d29343eff418@1d6ce9b3c83e6555/7aecf96fed3d8aec2c770eacb8e48def","headers":{"content-type":"binary/octet-stream","x-amz-meta-bucket-brigade-copy":"f72388b9-417b-4b88-87b3-d29343eff418@1d6ce9b3c83e6555/7aecf96fed3d8aec2c770eacb8e48def"},"proof":{"etag":"not-comparable","contentMd5":null,"digests":["md5"],"sourceChecksum":null,"destinationChecksums":[]},"timesRedone":0,"timesRefused":0,"restarts":0,"ifExists":"overwrite","ifSourceChanges":"fail","onlyIfAbsent":false},"upload":{"kind":"parts","uploadId":"uPWYKdBUOg_N5rx9PJzOI7dQqX6IUZgLnl6ouhcqMjJ8O"},"source":"same","retry":{"failedAttempts":0,"notBeforeMs":0}}', 1795955974983, 1795955975011, NULL, 'uploading/0', '{"source":{"tokens":500,"failingSinceMs":null,"failures":0,"probeAtMs":0},"destination":{"tokens":500,"failingSinceMs":null,"failures":0,"probeAtMs":0},"mesh":{"tokens":500,"failingSinceMs":null,"failures":0,"probeAtMs":0}}');
INSERT INTO "lanes" VALUES (1, 1795955975092);
INSERT INTO "parts" VALUES (1, 'done', 1, 0, 0, 0, 1, 1795955975101, 0, 0, 1048576, '"4d4de71465938e30424cf153c9e841a4"', '{"md5":"4d4de71465938e30424cf153c9e841a4"}', NULL, NULL, 65, 1795955975178);
INSERT INTO "parts" VALUES (2, 'done', 1, 0, 0, 0, 1, 1795955975101, 0, 0, 1048576, '"d491c5ed0b3c57871c5cb805fe13e1d0"', '{"md5":"d491c5ed0b3c57871c5cb805fe13e1d0"}', NULL, NULL, 110, 1795955975224);
INSERT INTO "parts" VALUES (3, 'leased', 1, 0, 0, 0, 1, 1795955975101, 0, 0, 1048576, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO "parts" VALUES (4, 'done', 1, 0, 0, 0, 1, 1795955975101, 0, 0, 1048576, '"c2e26d98b67939aad90d5bebaa1e000a"', '{"md5":"c2e26d98b67939aad90d5bebaa1e000a"}', NULL, NULL, 101, 1795955975221);
INSERT INTO "spent" VALUES (1, '{"source":{"put":0,"list":0,"get":4,"head":1,"delete":0,"bytes":3145728},"destination":{"put":4,"list":0,"get":0,"head":0,"delete":0,"bytes":0}}');
INSERT INTO "timeline" VALUES (1, 1795955974997, 'created', NULL);
INSERT INTO "timeline" VALUES (2, 1795955975069, 'sized', '4194304 bytes, 4 parts of 1048576 bytes, streamed, watched by md5');
INSERT INTO "timeline" VALUES (3, 1795955975069, 'phase_creating', NULL);
INSERT INTO "timeline" VALUES (4, 1795955975089, 'upload_created', NULL);
INSERT INTO "timeline" VALUES (5, 1795955975089, 'phase_uploading', NULL);
INSERT INTO "totals" VALUES (1, 0, 0, 0, 0, 0);
INSERT INTO "sqlite_sequence" VALUES ('timeline', 5);

-- database Coordinator/metadata.sqlite
CREATE TABLE _cf_ALARM (
      actor_id TEXT PRIMARY KEY,
      scheduled_time INTEGER,
      actor_name TEXT
    ) WITHOUT ROWID;
INSERT INTO "_cf_ALARM" VALUES ('f2c943b63a0e63bf8b683c1cba01c4726c95f33c1d18346494b671d05ce5d93a', 1795955977101000000, '01m8kn2rt75qwy7rc9xrj9b89k');

-- database Lane/14602b24f79d128822c54c67a3981d5833589ce2f0194918cc20b78839b6c14f.sqlite


-- database Lane/25d3f7c0f98f5d05b18bcee20fc260ac04faaf07825ff1d69703694009ad1e1e.sqlite
CREATE TABLE _cf_KV (
        key TEXT PRIMARY KEY,
        value BLOB
      ) WITHOUT ROWID;
CREATE TABLE _cf_METADATA (
        key INTEGER PRIMARY KEY,
        value BLOB
      );
INSERT INTO "_cf_KV" VALUES ('assignment', x'ff0f6f2206636f70794964221a30316d386b6e32727437357177793772633978726a396238396b22046c616e6549027b02');
INSERT INTO "_cf_METADATA" VALUES (1, 1795955980100000000);

-- database Lane/66a7460d176693dc335fc0a8dfc0a6d1467d94672013b4b345e98167890bb027.sqlite


-- database Lane/80cc472cabbb416cac7c8c42be7578fb32f714c4edfc845018cc2e6045dd3b81.sqlite
CREATE TABLE _cf_KV (
        key TEXT PRIMARY KEY,
        value BLOB
      ) WITHOUT ROWID;
CREATE TABLE _cf_METADATA (
        key INTEGER PRIMARY KEY,
        value BLOB
      );
INSERT INTO "_cf_KV" VALUES ('assignment', x'ff0f6f220673796e634964221a30316d386b6e327373627473766833617735316a70783332793222046c616e6549027b02');
INSERT INTO "_cf_METADATA" VALUES (1, 1795955981028000000);

-- database Lane/d389922c4ea750d52b6a836771d6afd2471549bf9bc8fa13c9405cf22e7da72a.sqlite


-- database Lane/metadata.sqlite
CREATE TABLE _cf_ALARM (
      actor_id TEXT PRIMARY KEY,
      scheduled_time INTEGER,
      actor_name TEXT
    ) WITHOUT ROWID;
INSERT INTO "_cf_ALARM" VALUES ('25d3f7c0f98f5d05b18bcee20fc260ac04faaf07825ff1d69703694009ad1e1e', 1795955980100000000, '01m8kn2rt75qwy7rc9xrj9b89k/1');
INSERT INTO "_cf_ALARM" VALUES ('80cc472cabbb416cac7c8c42be7578fb32f714c4edfc845018cc2e6045dd3b81', 1795955981028000000, '01m8kn2ssbtsvh3aw51jpx32y2/1');

-- database Probe/metadata.sqlite
CREATE TABLE _cf_ALARM (
      actor_id TEXT PRIMARY KEY,
      scheduled_time INTEGER,
      actor_name TEXT
    ) WITHOUT ROWID;

-- database Registry/15c12fb2b149f40248aa5a1f5c2468735dfece64dd5f12a6f792542c470e591d.sqlite
CREATE TABLE _cf_METADATA (
        key INTEGER PRIMARY KEY,
        value BLOB
      );
CREATE TABLE audited (
          seq INTEGER PRIMARY KEY,
          id TEXT NOT NULL UNIQUE,       -- sorts by time
          at_ms INTEGER NOT NULL,
          likeness TEXT UNIQUE,          -- of refusals: the minute, and what they have in common
          who TEXT, method TEXT NOT NULL, route TEXT, target TEXT, places TEXT, address TEXT, ray TEXT,
          status INTEGER NOT NULL, code TEXT, times INTEGER NOT NULL
        );
CREATE TABLE calls (
        seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, at_ms INTEGER NOT NULL,
        answer TEXT                      -- Answered; null: it runs
      );
CREATE TABLE checks (
        store TEXT NOT NULL,
        bucket TEXT NOT NULL,
        role TEXT NOT NULL,              -- source or destination
        configuration TEXT NOT NULL,     -- Configuration: the store as it was then
        facts TEXT NOT NULL,             -- Facts
        ok INTEGER NOT NULL,
        checked_at_ms INTEGER NOT NULL,
        PRIMARY KEY (store, bucket, role)
      );
CREATE TABLE comparisons (
        id TEXT PRIMARY KEY,
        phase TEXT NOT NULL,             -- admitted, then as the comparison reports it
        spec TEXT NOT NULL,              -- ComparisonSpec
        place TEXT NOT NULL,             -- bucketIdentity() of the destination
        schedule TEXT,                   -- the schedule that started it
        created_at_ms INTEGER NOT NULL,
        ended_at_ms INTEGER,
        glance TEXT                      -- Glance, as last reported
      );
CREATE TABLE copies (
        id TEXT PRIMARY KEY,
        phase TEXT NOT NULL,             -- admitted, then as the coordinator reports it
        spec TEXT NOT NULL,              -- CopySpec
        object TEXT NOT NULL,            -- the destination, by one name for each object (objectNameOf)
        orphans INTEGER NOT NULL DEFAULT 0,
        schedule TEXT,                   -- the schedule that started it
        created_at_ms INTEGER NOT NULL,
        ended_at_ms INTEGER,
        sync TEXT,                       -- the sync whose large object it copies
        glance TEXT                      -- Glance, as last reported
      );
CREATE TABLE counted (
        id TEXT PRIMARY KEY,             -- of a copy or a sync
        counters TEXT NOT NULL           -- WorkCounters, as last pushed
      );
CREATE TABLE deliveries (
        id TEXT PRIMARY KEY,
        notice TEXT NOT NULL,            -- webhook-id, the same for all receivers
        receiver TEXT NOT NULL,
        type TEXT NOT NULL,
        work TEXT,                       -- the copy or sync
        body TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        attempts INTEGER NOT NULL,       -- ever
        failed_attempts INTEGER NOT NULL, -- since it was put here or sent again by hand
        next_try_ms INTEGER,             -- null: it has come to an end
        state TEXT NOT NULL DEFAULT 'waiting', -- waiting | delivered | given_up
        last_try_ms INTEGER,
        last_status INTEGER,
        last_problem TEXT
      );
CREATE TABLE idempotency (
        key TEXT PRIMARY KEY, digest TEXT NOT NULL, copy_id TEXT NOT NULL, at_ms INTEGER NOT NULL
      );
CREATE TABLE notices (
        id TEXT PRIMARY KEY, body TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL, failed_attempts INTEGER NOT NULL, next_try_ms INTEGER NOT NULL
      );
CREATE TABLE refused (
          seq INTEGER PRIMARY KEY,
          id TEXT NOT NULL UNIQUE,       -- sorts by time
          at_ms INTEGER NOT NULL,
          likeness TEXT UNIQUE,          -- of refusals: the minute, and what they have in common
          who TEXT, method TEXT NOT NULL, route TEXT, target TEXT, places TEXT, address TEXT, ray TEXT,
          status INTEGER NOT NULL, code TEXT, times INTEGER NOT NULL
        );
CREATE TABLE runs (
        schedule TEXT NOT NULL,
        due_at_ms INTEGER NOT NULL,
        outcome TEXT NOT NULL,           -- started, skipped, queued or refused
        started_at_ms INTEGER,
        copy_id TEXT,
        sync_id TEXT,
        detail TEXT,
        comparison_id TEXT,
        PRIMARY KEY (schedule, due_at_ms)
      );
CREATE TABLE schedules (
        name TEXT PRIMARY KEY,
        cron TEXT NOT NULL,
        time_zone TEXT NOT NULL,
        work TEXT NOT NULL,              -- ScheduledWork
        overlap TEXT NOT NULL,           -- skip or queue
        enabled INTEGER NOT NULL,
        created_at_ms INTEGER NOT NULL,
        evaluated_until_ms INTEGER NOT NULL,
        started_by TEXT                  -- who put it last
      );
CREATE TABLE shares (
        store TEXT NOT NULL,
        resource TEXT NOT NULL,          -- concurrency | perSecond
        job TEXT NOT NULL,
        wants REAL NOT NULL,
        counted REAL NOT NULL,           -- what the job may be using
        until_ms INTEGER NOT NULL,
        served_ms INTEGER NOT NULL,      -- when it last got something; the job that has waited longest is served first
        PRIMARY KEY (store, resource, job)
      );
CREATE TABLE syncs (
        id TEXT PRIMARY KEY,
        phase TEXT NOT NULL,             -- admitted, then as the sync reports it
        spec TEXT NOT NULL,              -- SyncSpec
        place TEXT NOT NULL,             -- bucketIdentity() of the destination
        schedule TEXT,                   -- the schedule that started it
        created_at_ms INTEGER NOT NULL,
        ended_at_ms INTEGER,
        glance TEXT                      -- Glance, as last reported
      );
CREATE TABLE totals (
        name TEXT NOT NULL, labels TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (name, labels)
      );
CREATE INDEX audited_by_caller ON audited (who, id);
CREATE INDEX calls_by_time ON calls (at_ms);
CREATE INDEX comparisons_by_phase ON comparisons (phase, id);
CREATE INDEX copies_by_phase ON copies (phase, id);
CREATE INDEX copies_of_no_sync ON copies (id) WHERE sync IS NULL;
CREATE INDEX copies_of_syncs ON copies (sync, id) WHERE sync IS NOT NULL;
CREATE INDEX copies_with_orphans ON copies (id) WHERE orphans > 0;
CREATE INDEX deliveries_by_receiver ON deliveries (receiver, id);
CREATE INDEX deliveries_by_state ON deliveries (state, id);
CREATE INDEX deliveries_due ON deliveries (next_try_ms) WHERE next_try_ms IS NOT NULL;
CREATE INDEX idempotency_by_time ON idempotency (at_ms);
CREATE INDEX idempotency_by_work ON idempotency (copy_id);
CREATE INDEX queued_runs ON runs (schedule, due_at_ms) WHERE outcome = 'queued';
CREATE INDEX refused_by_caller ON refused (who, id);
CREATE INDEX running_alone ON copies (id) WHERE ended_at_ms IS NULL AND sync IS NULL;
CREATE INDEX running_by_object ON copies (object, id) WHERE ended_at_ms IS NULL;
CREATE INDEX running_by_schedule ON copies (schedule) WHERE ended_at_ms IS NULL;
CREATE INDEX running_comparisons ON comparisons (place, id) WHERE ended_at_ms IS NULL;
CREATE INDEX running_comparisons_by_phase ON comparisons (phase, created_at_ms) WHERE ended_at_ms IS NULL;
CREATE INDEX running_comparisons_by_schedule ON comparisons (schedule) WHERE ended_at_ms IS NULL;
CREATE INDEX running_copies ON copies (phase, created_at_ms) WHERE ended_at_ms IS NULL;
CREATE INDEX running_syncs ON syncs (place) WHERE ended_at_ms IS NULL;
CREATE INDEX running_syncs_by_phase ON syncs (phase, created_at_ms) WHERE ended_at_ms IS NULL;
CREATE INDEX running_syncs_by_schedule ON syncs (schedule) WHERE ended_at_ms IS NULL;
CREATE INDEX syncs_by_phase ON syncs (phase, id);
INSERT INTO "_cf_METADATA" VALUES (1, 1795955979983000000);
INSERT INTO "audited" VALUES (1, '01m8kn2rtzwqcsg2xt2nzvv24p', 1795955975007, NULL, 'full', 'POST', '/copies', '01m8kn2rt75qwy7rc9xrj9b89k', 'from east:source/long to west:destination/long', NULL, NULL, 202, NULL, 1);
INSERT INTO "audited" VALUES (2, '01m8kn2s2k285g32yv6ks6q76j', 1795955975251, NULL, 'full', 'POST', '/copies', '01m8kn2s28fxxwvtya5391bgyz', 'from east:source/one to west:destination/one', NULL, NULL, 202, NULL, 1);
INSERT INTO "audited" VALUES (3, '01m8kn2s5zdvpmfzvky270wpz7', 1795955975359, NULL, 'full', 'POST', '/copies', '01m8kn2s5peaf7brx4r2fnqc5r', 'from east:source/absent to west:destination/absent', NULL, NULL, 202, NULL, 1);
INSERT INTO "audited" VALUES (4, '01m8kn2s757qy8myk7a6eqsf9v', 1795955975397, NULL, 'full', 'POST', '/syncs', '01m8kn2s6vtj8479h0c1qgv2mj', 'from east:source/ended/ to west:destination/ended/', NULL, NULL, 202, NULL, 1);
INSERT INTO "audited" VALUES (5, '01m8kn2sadje3trbckpe4phjae', 1795955975501, NULL, 'full', 'POST', '/comparisons', '01m8kn2sa27hmf9mk3nx35k61s', 'from east:source/ended/ to west:destination/ended/', NULL, NULL, 202, NULL, 1);
INSERT INTO "audited" VALUES (6, '01m8kn2scrrss7e9dkw7vbf5pr', 1795955975576, NULL, 'full', 'PUT', '/schedules/:name', 'nightly', 'from east:source/ended/ to west:destination/nightly/', NULL, NULL, 201, NULL, 1);
INSERT INTO "audited" VALUES (7, '01m8kn2sd17xetk8k6pz81kh3r', 1795955975585, NULL, 'full', 'PUT', '/schedules/:name', 'resting', 'from east:source/one to west:destination/again', NULL, NULL, 201, NULL, 1);
INSERT INTO "audited" VALUES (8, '01m8kn2sdfv4t91qh5j9g0k3ev', 1795955975599, NULL, 'full', 'POST', '/schedules/:name/run', '01m8kn2sd654mww2hxsnn9d2d3', 'from east:source/one to west:destination/again', NULL, NULL, 202, NULL, 1);
INSERT INTO "audited" VALUES (9, '01m8kn2ss1db9jnmah3dgs6sdq', 1795955975969, NULL, 'full', 'POST', '/stores/:name/check', 'west', 'to west:destination/', NULL, NULL, 200, NULL, 1);
INSERT INTO "audited" VALUES (10, '01m8kn2ssv3jvv9b1rkjgahs70', 1795955975995, NULL, 'full', 'POST', '/syncs', '01m8kn2ssbtsvh3aw51jpx32y2', 'from east:source/small/ to west:destination/half/', NULL, NULL, 202, NULL, 1);
INSERT INTO "checks" VALUES ('west', 'destination', 'destination', '{"endpoint":"http://127.0.0.1:31642","provider":"other","encryption":null}', '{"md5Etag":true,"signedPath":"decoded","conditionalPut":true,"contentMd5":true,"tags":true,"tagCount":true,"websiteRedirect":true,"checksumMode":true,"checksums":[],"copyObject":true,"conditionalCopy":true,"copyKeeps":true,"unpacksTar":false,"md5PartEtag":true,"md5MultipartEtag":true,"uploadPartCopy":true,"conditionalComplete":true}', 1, 1795955975964);
INSERT INTO "comparisons" VALUES ('01m8kn2sa27hmf9mk3nx35k61s', 'equal', '{"kind":"comparison","source":{"store":"east","bucket":"source","prefix":"ended/"},"destination":{"store":"west","bucket":"destination","prefix":"ended/"},"compare":"auto","include":[],"exclude":[],"minSizeBytes":null,"maxSizeBytes":null,"minAgeSeconds":null,"maxAgeSeconds":null,"storageClasses":null,"lanes":8,"firstLanes":8,"concurrency":40,"location":null,"deep":false,"startedBy":"full","known":[]}', 'loopback:31642/destination', NULL, 1795955975490, 1795955975531, '{"bytes":{"listed":32},"keys":{"listed":2,"equal":2,"different":0,"unknown":0,"missing":0,"extra":0,"unreadable":0,"skipped":0,"underWay":0},"rate":{"keysPerSecond":71.4},"failure":null}');
INSERT INTO "copies" VALUES ('01m8kn2rt75qwy7rc9xrj9b89k', 'uploading', '{"source":{"store":"east","bucket":"source","key":"long"},"destination":{"store":"west","bucket":"destination","key":"long"},"partSizeBytes":1048576,"lanes":8,"firstLanes":8,"concurrency":40,"ifExists":"overwrite","ifBusy":"fail","ifSourceChanges":"fail","verify":"auto","metadata":"preserve","attributes":{},"storageClass":null,"tags":"preserve","ifLossy":"warn","markCopy":true,"via":"auto","location":null,"startedBy":"full","known":[]}', 'loopback:31642/destination/long', 0, NULL, 1795955974983, NULL, NULL, '{"bytes":{"done":0,"total":4194304},"rate":{"bytesPerSecond":null,"etaSeconds":null},"failure":null}');
INSERT INTO "copies" VALUES ('01m8kn2s28fxxwvtya5391bgyz', 'completed', '{"source":{"store":"east","bucket":"source","key":"one"},"destination":{"store":"west","bucket":"destination","key":"one"},"partSizeBytes":null,"lanes":8,"firstLanes":8,"concurrency":40,"ifExists":"overwrite","ifBusy":"fail","ifSourceChanges":"fail","verify":"auto","metadata":"preserve","attributes":{},"storageClass":null,"tags":"preserve","ifLossy":"warn","markCopy":true,"via":"auto","location":null,"startedBy":"full","known":[]}', 'loopback:31642/destination/one', 0, NULL, 1795955975240, 1795955975335, NULL, '{"bytes":{"done":12,"total":12},"rate":{"bytesPerSecond":152,"etaSeconds":0},"failure":null}');
INSERT INTO "copies" VALUES ('01m8kn2s5peaf7brx4r2fnqc5r', 'failed', '{"source":{"store":"east","bucket":"source","key":"absent"},"destination":{"store":"west","bucket":"destination","key":"absent"},"partSizeBytes":null,"lanes":8,"firstLanes":8,"concurrency":40,"ifExists":"overwrite","ifBusy":"fail","ifSourceChanges":"fail","verify":"auto","metadata":"preserve","attributes":{},"storageClass":null,"tags":"preserve","ifLossy":"warn","markCopy":true,"via":"auto","location":null,"startedBy":"full","known":[]}', 'loopback:31642/destination/absent', 0, NULL, 1795955975350, 1795955975375, NULL, '{"bytes":{"done":0,"total":null},"rate":{"bytesPerSecond":null,"etaSeconds":null},"failure":{"code":"source_not_found","message":"HeadObject of \"source/absent\": the store answered 404 NoSuchKey: The specified key does not exist."}}');
INSERT INTO "copies" VALUES ('01m8kn2sd654mww2hxsnn9d2d3', 'completed', '{"source":{"store":"east","bucket":"source","key":"one"},"destination":{"store":"west","bucket":"destination","key":"again"},"partSizeBytes":null,"lanes":8,"firstLanes":8,"concurrency":40,"ifExists":"overwrite","ifBusy":"fail","ifSourceChanges":"fail","verify":"auto","metadata":"preserve","attributes":{},"storageClass":null,"tags":"preserve","ifLossy":"warn","markCopy":true,"via":"auto","location":null,"startedBy":"full","known":[]}', 'loopback:31642/destination/again', 0, 'resting', 1795955975590, 1795955975660, NULL, '{"bytes":{"done":12,"total":12},"rate":{"bytesPerSecond":200,"etaSeconds":0},"failure":null}');
INSERT INTO "counted" VALUES ('01m8kn2rt75qwy7rc9xrj9b89k', '{"kind":"copy","bytes":0,"parts":0,"partAttempts":0,"failures":{},"partsInFlight":0,"lanes":0}');
INSERT INTO "counted" VALUES ('01m8kn2s28fxxwvtya5391bgyz', '{"kind":"copy","bytes":12,"parts":1,"partAttempts":1,"failures":{},"partsInFlight":0,"lanes":0}');
INSERT INTO "counted" VALUES ('01m8kn2s5peaf7brx4r2fnqc5r', '{"kind":"copy","bytes":0,"parts":0,"partAttempts":0,"failures":{"source_not_found":1},"partsInFlight":0,"lanes":0}');
INSERT INTO "counted" VALUES ('01m8kn2s6vtj8479h0c1qgv2mj', '{"kind":"sync","bytes":32,"listed":2,"copied":2,"skipped":0,"failed":0,"deleted":0,"batchesInFlight":0,"lanes":0}');
INSERT INTO "counted" VALUES ('01m8kn2sa27hmf9mk3nx35k61s', '{"kind":"comparison","outcomes":{"equal":2,"different":0,"unknown":0,"missing":0,"extra":0,"unreadable":0},"batchesInFlight":0,"lanes":0}');
INSERT INTO "counted" VALUES ('01m8kn2sd654mww2hxsnn9d2d3', '{"kind":"copy","bytes":12,"parts":1,"partAttempts":1,"failures":{},"partsInFlight":0,"lanes":0}');
INSERT INTO "counted" VALUES ('01m8kn2ssbtsvh3aw51jpx32y2', '{"kind":"sync","bytes":0,"listed":60,"copied":0,"skipped":0,"failed":0,"deleted":0,"batchesInFlight":0,"lanes":0}');
INSERT INTO "runs" VALUES ('resting', 1795955975590, 'started', 1795955975590, '01m8kn2sd654mww2hxsnn9d2d3', NULL, NULL, NULL);
INSERT INTO "schedules" VALUES ('nightly', '0 3 * * *', 'Europe/Berlin', '{"kind":"sync","sync":{"source":{"store":"east","bucket":"source","prefix":"ended/"},"destination":{"store":"west","bucket":"destination","prefix":"nightly/"}}}', 'skip', 1, 1795955975569, 1795955975568, 'full');
INSERT INTO "schedules" VALUES ('resting', '*/5 * * * *', 'UTC', '{"kind":"copy","copy":{"source":{"store":"east","bucket":"source","key":"one"},"destination":{"store":"west","bucket":"destination","key":"again"}}}', 'skip', 0, 1795955975584, 1795955975583, 'full');
INSERT INTO "syncs" VALUES ('01m8kn2s6vtj8479h0c1qgv2mj', 'completed', '{"source":{"store":"east","bucket":"source","prefix":"ended/"},"destination":{"store":"west","bucket":"destination","prefix":"ended/"},"compare":"auto","include":[],"exclude":[],"minSizeBytes":null,"maxSizeBytes":null,"minAgeSeconds":null,"maxAgeSeconds":null,"storageClasses":null,"lanes":8,"firstLanes":8,"concurrency":40,"location":null,"delete":false,"allowEmptySource":false,"maxDeletes":{"kind":"share","share":0.1},"deleteDespiteFailures":false,"dryRun":false,"verify":"auto","metadata":"preserve","attributes":{},"storageClass":null,"tags":"preserve","ifLossy":"warn","markCopy":true,"report":null,"reportFiltered":false,"partSize":null,"startedBy":"full","known":[]}', 'loopback:31642/destination', NULL, 1795955975387, 1795955975472, '{"bytes":{"listed":32,"copied":32},"objects":{"listed":2,"underWay":0,"failed":0},"rate":{"objectsPerSecond":27.4,"bytesPerSecond":438.4},"failure":null}');
INSERT INTO "syncs" VALUES ('01m8kn2ssbtsvh3aw51jpx32y2', 'copying', '{"source":{"store":"east","bucket":"source","prefix":"small/"},"destination":{"store":"west","bucket":"destination","prefix":"half/"},"compare":"auto","include":[],"exclude":[],"minSizeBytes":null,"maxSizeBytes":null,"minAgeSeconds":null,"maxAgeSeconds":null,"storageClasses":null,"lanes":8,"firstLanes":8,"concurrency":2,"location":null,"delete":false,"allowEmptySource":false,"maxDeletes":{"kind":"share","share":0.1},"deleteDespiteFailures":false,"dryRun":false,"verify":"auto","metadata":"preserve","attributes":{},"storageClass":null,"tags":"preserve","ifLossy":"warn","markCopy":true,"report":null,"reportFiltered":false,"partSize":null,"startedBy":"full","known":[{"store":"west","bucket":"destination","configuration":{"endpoint":"http://127.0.0.1:31642","provider":"other","encryption":null},"facts":{"md5Etag":true,"signedPath":"decoded","conditionalPut":true,"contentMd5":true,"tags":true,"tagCount":true,"websiteRedirect":true,"checksumMode":true,"checksums":[],"copyObject":true,"conditionalCopy":true,"copyKeeps":true,"unpacksTar":false,"md5PartEtag":true,"md5MultipartEtag":true,"uploadPartCopy":true,"conditionalComplete":true}}]}', 'loopback:31642/destination', NULL, 1795955975979, NULL, '{"bytes":{"listed":1080,"copied":0},"objects":{"listed":60,"underWay":60,"failed":0},"rate":{"objectsPerSecond":0,"bytesPerSecond":0},"failure":null}');
INSERT INTO "totals" VALUES ('copied_bytes_total', '{"by":"copies"}', 24);
INSERT INTO "totals" VALUES ('parts_total', '{}', 2);
INSERT INTO "totals" VALUES ('part_attempts_total', '{}', 2);
INSERT INTO "totals" VALUES ('copies_ended_total', '{"phase":"completed"}', 2);
INSERT INTO "totals" VALUES ('failed_attempts_total', '{"code":"source_not_found"}', 1);
INSERT INTO "totals" VALUES ('copies_ended_total', '{"phase":"failed"}', 1);
INSERT INTO "totals" VALUES ('copied_bytes_total', '{"by":"syncs"}', 32);
INSERT INTO "totals" VALUES ('sync_objects_total', '{"action":"copied"}', 2);
INSERT INTO "totals" VALUES ('syncs_ended_total', '{"phase":"completed"}', 1);
INSERT INTO "totals" VALUES ('compared_keys_total', '{"outcome":"equal"}', 2);
INSERT INTO "totals" VALUES ('comparisons_ended_total', '{"phase":"equal"}', 1);

-- database Registry/metadata.sqlite
CREATE TABLE _cf_ALARM (
      actor_id TEXT PRIMARY KEY,
      scheduled_time INTEGER,
      actor_name TEXT
    ) WITHOUT ROWID;
INSERT INTO "_cf_ALARM" VALUES ('15c12fb2b149f40248aa5a1f5c2468735dfece64dd5f12a6f792542c470e591d', 1795955979983000000, 'registry');

-- database Sync/028e81da548a451e7c4f0eaf190ec18f2d1318939b410e183bc44e3a2010e840.sqlite
CREATE TABLE _cf_METADATA (
        key INTEGER PRIMARY KEY,
        value BLOB
      );
CREATE TABLE batches (
        batch INTEGER PRIMARY KEY AUTOINCREMENT,
        lane INTEGER,                     -- null: pending
        attempt INTEGER NOT NULL,         -- the current one, from 1; 0: never handed out
        doubtful INTEGER NOT NULL,        -- attempts that were lost: its objects may be at the destination
        not_before_ms INTEGER NOT NULL,
        count INTEGER NOT NULL,
        objects TEXT NOT NULL             -- ObjectWork[]
      );
CREATE TABLE deletions (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        what TEXT NOT NULL,              -- 'room': in the way of failed copies; 'extras': the others
        keys TEXT NOT NULL               -- Extra[]
      );
CREATE TABLE failures (
        key TEXT NOT NULL, failure TEXT NOT NULL, attempts INTEGER NOT NULL,
        work TEXT NOT NULL, round INTEGER NOT NULL
      );
CREATE TABLE lanes (lane INTEGER PRIMARY KEY, seen_at_ms INTEGER NOT NULL);
CREATE TABLE large (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        work TEXT NOT NULL,               -- ObjectWork
        copy_id TEXT,
        paused INTEGER NOT NULL DEFAULT 0
      );
CREATE TABLE readings (seq INTEGER PRIMARY KEY AUTOINCREMENT, stretches INTEGER NOT NULL);
CREATE TABLE report_lines (seq INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL);
CREATE TABLE report_parts (
        part INTEGER PRIMARY KEY,
        last_seq INTEGER NOT NULL,        -- its lines are those up to here that no earlier part has
        etag TEXT,                        -- null: fixed, not known to be stored; '': kept in report_bytes
        bytes INTEGER
      );
CREATE TABLE spent (one INTEGER PRIMARY KEY, spent TEXT NOT NULL);
CREATE TABLE sync (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id TEXT NOT NULL,
        spec TEXT NOT NULL,              -- RunSpec
        job TEXT NOT NULL,               -- SyncJob
        counters TEXT NOT NULL,          -- Counters
        round INTEGER NOT NULL,          -- 1, and one more with each retry
        created_at_ms INTEGER NOT NULL,
        started_at_ms INTEGER,
        ended_at_ms INTEGER,
        reported TEXT
      );
CREATE TABLE timeline (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, event TEXT NOT NULL, detail TEXT
      );
CREATE TABLE warnings (
        text TEXT PRIMARY KEY,
        rule TEXT                        -- DeleteRule, where it says why nothing is deleted
      );
INSERT INTO "_cf_METADATA" VALUES (1, 1795955986026000000);
INSERT INTO "batches" VALUES (4, 1, 1, 0, 0, 4, '[{"key":"small/053","storageClass":"STANDARD","to":"half/053","sizeBytes":18,"etag":"\"b45e1bf127e4100466dbcf9c07b0c404\"","failedAttempts":0,"first":"copy"},{"key":"small/054","storageClass":"STANDARD","to":"half/054","sizeBytes":18,"etag":"\"dd9fd42b6e70158dfb6339cd46b6a548\"","failedAttempts":0,"first":"copy"},{"key":"small/055","storageClass":"STANDARD","to":"half/055","sizeBytes":18,"etag":"\"dbf96e8b86534c82fd0218b5fbefcf52\"","failedAttempts":0,"first":"copy"},{"key":"small/056","storageClass":"STANDARD","to":"half/056","sizeBytes":18,"etag":"\"0cd256089fd28a844454b782389746d8\"","failedAttempts":0,"first":"copy"}]');
INSERT INTO "batches" VALUES (5, 1, 1, 0, 0, 3, '[{"key":"small/057","storageClass":"STANDARD","to":"half/057","sizeBytes":18,"etag":"\"ad01f282e780a61df956876ae419f44e\"","failedAttempts":0,"first":"copy"},{"key":"small/058","storageClass":"STANDARD","to":"half/058","sizeBytes":18,"etag":"\"37451d92a2aef89462c20e26a7c107e5\"","failedAttempts":0,"first":"copy"},{"key":"small/059","storageClass":"STANDARD","to":"half/059","sizeBytes":18,"etag":"\"67fdeccf4b067bad110ccacaaf6ecc96\"","failedAttempts":0,"first":"copy"}]');
INSERT INTO "lanes" VALUES (1, 1795955976019);
INSERT INTO "report_lines" VALUES (1, '{"key":"small/030","action":"copied","size":18,"proof":"etag","etag":"\"50fc2674799ebde78dff61f66f0c0234\"","bytes":18,"attempts":1}
{"key":"small/031","action":"copied","size":18,"proof":"etag","etag":"\"3699cf4a8874bc3d43e2390b989070f1\"","bytes":18,"attempts":1}
{"key":"small/032","action":"copied","size":18,"proof":"etag","etag":"\"593bab99e631735b5f5f5fd7df2b987b\"","bytes":18,"attempts":1}
{"key":"small/033","action":"copied","size":18,"proof":"etag","etag":"\"eeb7f9c7ce021ed2a3ac797026c460c1\"","bytes":18,"attempts":1}
{"key":"small/034","action":"copied","size":18,"proof":"etag","etag":"\"7dd1d61450ecad84213a8c8b820cbc39\"","bytes":18,"attempts":1}
{"key":"small/035","action":"copied","size":18,"proof":"etag","etag":"\"768f1facae4447b2e7ba622cb43ba298\"","bytes":18,"attempts":1}
{"key":"small/036","action":"copied","size":18,"proof":"etag","etag":"\"484f299d4e83e03e02acb1321faaee76\"","bytes":18,"attempts":1}
{"key":"small/037","action":"copied","size":18,"proof":"etag","etag":"\"994cbfff1e1db9a52f3e51deff22c5fd\"","bytes":18,"attempts":1}
{"key":"small/038","action":"copied","size":18,"proof":"etag","etag":"\"25db8c21c718255162a8512bca6734a2\"","bytes":18,"attempts":1}
{"key":"small/039","action":"copied","size":18,"proof":"etag","etag":"\"c06c92fffccdeabe8f471de7c1de55ed\"","bytes":18,"attempts":1}
{"key":"small/040","action":"copied","size":18,"proof":"etag","etag":"\"ff8809a98d5483347a300816770bf8f2\"","bytes":18,"attempts":1}
{"key":"small/041","action":"copied","size":18,"proof":"etag","etag":"\"fcf2cae118fdb22c6afe3cc746c688d5\"","bytes":18,"attempts":1}
{"key":"small/042","action":"copied","size":18,"proof":"etag","etag":"\"67551e8a656be9699242fb21b4e6f62d\"","bytes":18,"attempts":1}
{"key":"small/043","action":"copied","size":18,"proof":"etag","etag":"\"3c18d437b07d160aa39495a79da177b1\"","bytes":18,"attempts":1}
{"key":"small/044","action":"copied","size":18,"proof":"etag","etag":"\"0e4b0bc02923f222e8cd699f02bb47ca\"","bytes":18,"attempts":1}
{"key":"small/045","action":"copied","size":18,"proof":"etag","etag":"\"8eccbe6869db3e29a59e536efa96bd23\"","bytes":18,"attempts":1}
{"key":"small/046","action":"copied","size":18,"proof":"etag","etag":"\"2ea50f3a6546f693205f0317d069fa69\"","bytes":18,"attempts":1}
{"key":"small/047","action":"copied","size":18,"proof":"etag","etag":"\"54a8b749ca0cd42e39bc7efd819ef1fd\"","bytes":18,"attempts":1}
{"key":"small/048","action":"copied","size":18,"proof":"etag","etag":"\"d39b968b3645eacf4e61013cc89a1ae3\"","bytes":18,"attempts":1}
{"key":"small/049","action":"copied","size":18,"proof":"etag","etag":"\"6e7eb69435f1f639161f5a62898b21b9\"","bytes":18,"attempts":1}
{"key":"small/050","action":"copied","size":18,"proof":"etag","etag":"\"35863f5bc64ed1a7da085c4835580263\"","bytes":18,"attempts":1}
{"key":"small/051","action":"copied","size":18,"proof":"etag","etag":"\"5c79199c74476bd38de7968025945811\"","bytes":18,"attempts":1}
{"key":"small/052","action":"copied","size":18,"proof":"etag","etag":"\"bda3a2c9ac2d0e7d5a52f1d0ac51c472\"","bytes":18,"attempts":1}
{"key":"small/000","action":"copied","size":18,"proof":"etag","etag":"\"e91b2fed5291f69a283d70d16b9eed10\"","bytes":18,"attempts":1}
{"key":"small/001","action":"copied","size":18,"proof":"etag","etag":"\"bd42f9a6cd4de662eb83d49a4f923763\"","bytes":18,"attempts":1}
{"key":"small/002","action":"copied","size":18,"proof":"etag","etag":"\"444ce012293d741a840039c7c550b887\"","bytes":18,"attempts":1}
{"key":"small/003","action":"copied","size":18,"proof":"etag","etag":"\"4319568e595190b947d1693bac449c21\"","bytes":18,"attempts":1}
{"key":"small/004","action":"copied","size":18,"proof":"etag","etag":"\"5fe04e57eecdfced881c5b25ffd47485\"","bytes":18,"attempts":1}
{"key":"small/005","action":"copied","size":18,"proof":"etag","etag":"\"28eea0379512f1138db0e7dbac9e0518\"","bytes":18,"attempts":1}
{"key":"small/006","action":"copied","size":18,"proof":"etag","etag":"\"ce8034346598edd1d98bd75e0cbdda4a\"","bytes":18,"attempts":1}
{"key":"small/007","action":"copied","size":18,"proof":"etag","etag":"\"89199720d6d80020772616ec6a56adb2\"","bytes":18,"attempts":1}
{"key":"small/008","action":"copied","size":18,"proof":"etag","etag":"\"cc0483c05174e3f2482d9094e094fa3c\"","bytes":18,"attempts":1}
{"key":"small/009","action":"copied","size":18,"proof":"etag","etag":"\"2633afab7fb5df757d3e48003f06b63f\"","bytes":18,"attempts":1}
{"key":"small/010","action":"copied","size":18,"proof":"etag","etag":"\"346c94b5ee6d1befebb01321a81e8b23\"","bytes":18,"attempts":1}
{"key":"small/011","action":"copied","size":18,"proof":"etag","etag":"\"a6aa72cfdf96a5cdcde3ec4b754391f0\"","bytes":18,"attempts":1}
{"key":"small/012","action":"copied","size":18,"proof":"etag","etag":"\"9404074ee9689c27a6058ef63d653c80\"","bytes":18,"attempts":1}
{"key":"small/013","action":"copied","size":18,"proof":"etag","etag":"\"5b68e57d0a17f674f9cd6e16520807d9\"","bytes":18,"attempts":1}
{"key":"small/014","action":"copied","size":18,"proof":"etag","etag":"\"6ff9f4c8e8cad788866f96ffc954d2a7\"","bytes":18,"attempts":1}
{"key":"small/015","action":"copied","size":18,"proof":"etag","etag":"\"39e1354f6a5a93a7f98c5a88751c8d6c\"","bytes":18,"attempts":1}
{"key":"small/016","action":"copied","size":18,"proof":"etag","etag":"\"ec9ef226fb6ea32e92bb19186bf18116\"","bytes":18,"attempts":1}
{"key":"small/017","action":"copied","size":18,"proof":"etag","etag":"\"8cf2b471e511bfbfd79d9caaf547c84e\"","bytes":18,"attempts":1}
{"key":"small/018","action":"copied","size":18,"proof":"etag","etag":"\"44230c2e0f4c3dfaea93c345e856fb85\"","bytes":18,"attempts":1}
{"key":"small/019","action":"copied","size":18,"proof":"etag","etag":"\"ab1d9b829e5b4082aea16fdcf73bce14\"","bytes":18,"attempts":1}
{"key":"small/020","action":"copied","size":18,"proof":"etag","etag":"\"8df2a569ac43b824c8cb01325a62b4f7\"","bytes":18,"attempts":1}
{"key":"small/021","action":"copied","size":18,"proof":"etag","etag":"\"727c375ce23710cb8c033a77eca9e57d\"","bytes":18,"attempts":1}
{"key":"small/022","action":"copied","size":18,"proof":"etag","etag":"\"8610eb5c762c870ec7e7b418e1511c3b\"","bytes":18,"attempts":1}
{"key":"small/023","action":"copied","size":18,"proof":"etag","etag":"\"fd63bef3911dc4f6e88f943139efa04b\"","bytes":18,"attempts":1}
{"key":"small/024","action":"copied","size":18,"proof":"etag","etag":"\"41f9092dfe740bae27210ae44b5a372b\"","bytes":18,"attempts":1}
{"key":"small/025","action":"copied","size":18,"proof":"etag","etag":"\"c06d3ac363d5e0f810083d8d7bfbc277\"","bytes":18,"attempts":1}
{"key":"small/026","action":"copied","size":18,"proof":"etag","etag":"\"e4f15a8f0292f848b96315258c247887\"","bytes":18,"attempts":1}
{"key":"small/027","action":"copied","size":18,"proof":"etag","etag":"\"280c56a12c4221dd831d9e582c37375e\"","bytes":18,"attempts":1}
{"key":"small/028","action":"copied","size":18,"proof":"etag","etag":"\"0c66a8a1b51ddc8c3dd87f0bed36732d\"","bytes":18,"attempts":1}
{"key":"small/029","action":"copied","size":18,"proof":"etag","etag":"\"053ac4a6afb83ae8bc5d8f42149c96d9\"","bytes":18,"attempts":1}
');
INSERT INTO "spent" VALUES (1, '{"source":{"put":0,"list":1,"get":53,"head":0,"delete":0,"bytes":954},"destination":{"put":53,"list":1,"get":0,"head":0,"delete":0,"bytes":0}}');
INSERT INTO "sync" VALUES (1, '01m8kn2ssbtsvh3aw51jpx32y2', '{"source":{"store":"east","bucket":"source","prefix":"small/"},"destination":{"store":"west","bucket":"destination","prefix":"half/"},"compare":"auto","include":[],"exclude":[],"minSizeBytes":null,"maxSizeBytes":null,"minAgeSeconds":null,"maxAgeSeconds":null,"storageClasses":null,"lanes":8,"firstLanes":8,"concurrency":2,"location":null,"delete":false,"allowEmptySource":false,"maxDeletes":{"kind":"share","share":0.1},"deleteDespiteFailures":false,"dryRun":false,"verify":"auto","metadata":"preserve","attributes":{},"storageClass":null,"tags":"preserve","ifLossy":"warn","markCopy":true,"report":null,"reportFiltered":false,"partSize":null,"startedBy":"full","known":[{"store":"west","bucket":"destination","configuration":{"endpoint":"http://127.0.0.1:31642","provider":"other","encryption":null},"facts":{"md5Etag":true,"signedPath":"decoded","conditionalPut":true,"contentMd5":true,"tags":true,"tagCount":true,"websiteRedirect":true,"checksumMode":true,"checksums":[],"copyObject":true,"conditionalCopy":true,"copyKeeps":true,"unpacksTar":false,"md5PartEtag":true,"md5MultipartEtag":true,"uploadPartCopy":true,"conditionalComplete":true}}]}', '{"phase":"copying","failure":null,"requeue":null,"retry":{"failedAttempts":0,"notBeforeMs":0}}', '{"listed":{"objects":60,"bytes":1080},"copied":{"objects":53,"bytes":954},"skipped":{"objects":0,"bytes":0},"failed":{"objects":0,"bytes":0},"wouldCopy":{"objects":0,"bytes":0},"destination":{"objects":0,"bytes":0},"extra":{"objects":0,"bytes":0},"deleted":{"objects":0,"bytes":0},"wouldDelete":{"objects":0,"bytes":0},"deleteFailed":{"objects":0,"bytes":0},"skippedBy":{}}', 1, 1795955975979, 1795955975998, NULL, 'copying');
INSERT INTO "timeline" VALUES (1, 1795955975987, 'created', 'with what was seen in the check of west:destination');
INSERT INTO "timeline" VALUES (2, 1795955976014, 'phase_copying', NULL);
INSERT INTO "sqlite_sequence" VALUES ('timeline', 2);
INSERT INTO "sqlite_sequence" VALUES ('batches', 5);
INSERT INTO "sqlite_sequence" VALUES ('report_lines', 1);

-- database Sync/5c787f966cfa0eea5e66d7ca64e9313b77ef92b99193c49344b204e11173a6eb.sqlite
CREATE TABLE _cf_METADATA (
        key INTEGER PRIMARY KEY,
        value BLOB
      );
CREATE TABLE batches (
        batch INTEGER PRIMARY KEY AUTOINCREMENT,
        lane INTEGER,                     -- null: pending
        attempt INTEGER NOT NULL,         -- the current one, from 1; 0: never handed out
        doubtful INTEGER NOT NULL,        -- attempts that were lost: its objects may be at the destination
        not_before_ms INTEGER NOT NULL,
        count INTEGER NOT NULL,
        objects TEXT NOT NULL             -- ObjectWork[]
      );
CREATE TABLE deletions (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        what TEXT NOT NULL,              -- 'room': in the way of failed copies; 'extras': the others
        keys TEXT NOT NULL               -- Extra[]
      );
CREATE TABLE failures (
        key TEXT NOT NULL, failure TEXT NOT NULL, attempts INTEGER NOT NULL,
        work TEXT NOT NULL, round INTEGER NOT NULL
      );
CREATE TABLE lanes (lane INTEGER PRIMARY KEY, seen_at_ms INTEGER NOT NULL);
CREATE TABLE large (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        work TEXT NOT NULL,               -- ObjectWork
        copy_id TEXT,
        paused INTEGER NOT NULL DEFAULT 0
      );
CREATE TABLE readings (seq INTEGER PRIMARY KEY AUTOINCREMENT, stretches INTEGER NOT NULL);
CREATE TABLE repair (one INTEGER PRIMARY KEY CHECK (one = 1), sync_id TEXT NOT NULL, request TEXT NOT NULL);
CREATE TABLE report_bytes (
        part INTEGER NOT NULL,
        chunk INTEGER NOT NULL,
        gzip BLOB NOT NULL,
        PRIMARY KEY (part, chunk)
      ) WITHOUT ROWID;
CREATE TABLE report_lines (seq INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL);
CREATE TABLE report_parts (
        part INTEGER PRIMARY KEY,
        last_seq INTEGER NOT NULL,        -- its lines are those up to here that no earlier part has
        etag TEXT,                        -- null: fixed, not known to be stored; '': kept in report_bytes
        bytes INTEGER
      );
CREATE TABLE report_tree (one INTEGER PRIMARY KEY CHECK (one = 1), tree TEXT NOT NULL);
CREATE TABLE spent (one INTEGER PRIMARY KEY, spent TEXT NOT NULL);
CREATE TABLE sync (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id TEXT NOT NULL,
        spec TEXT NOT NULL,              -- RunSpec
        job TEXT NOT NULL,               -- SyncJob
        counters TEXT NOT NULL,          -- Counters
        round INTEGER NOT NULL,          -- 1, and one more with each retry
        created_at_ms INTEGER NOT NULL,
        started_at_ms INTEGER,
        ended_at_ms INTEGER,
        reported TEXT
      );
CREATE TABLE timeline (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, event TEXT NOT NULL, detail TEXT
      );
CREATE TABLE warnings (
        text TEXT PRIMARY KEY,
        rule TEXT                        -- DeleteRule, where it says why nothing is deleted
      );
INSERT INTO "_cf_METADATA" VALUES (1, NULL);
INSERT INTO "report_bytes" VALUES (1, 0, x'1f8b08000000000000039d8eb10e82301400773fe3cd4d6c0b6d81dd2f7065796ddf3344a52a6550c2bf1b62627413c7bbe172131ce90e0d501f296e1104a4318774a6c55d473c8180cb2d255e38e301040cdd83a05156bc44032d44cd2a3843e82b8b8e2b5f1892aea8b5afc94bb62d80804843ee7acc5deaf7efc487dcada8cd9be96bdcff395eb3b6d6a121455e2b0e65512bc3d272e0d210ca75e33fd4e6cd13b78a108772010000');
INSERT INTO "report_parts" VALUES (1, 1, '', 370);
INSERT INTO "report_tree" VALUES (1, '{"lines":2,"peaks":["6efe88f606f335f5cbad3a08b0a1a4f6d475ed7978e9f355e4ac440f46cc9021"]}');
INSERT INTO "spent" VALUES (1, '{"source":{"put":0,"list":1,"get":0,"head":0,"delete":0,"bytes":0},"destination":{"put":0,"list":1,"get":0,"head":0,"delete":0,"bytes":0}}');
INSERT INTO "sync" VALUES (1, '01m8kn2sa27hmf9mk3nx35k61s', '{"kind":"comparison","source":{"store":"east","bucket":"source","prefix":"ended/"},"destination":{"store":"west","bucket":"destination","prefix":"ended/"},"compare":"auto","include":[],"exclude":[],"minSizeBytes":null,"maxSizeBytes":null,"minAgeSeconds":null,"maxAgeSeconds":null,"storageClasses":null,"lanes":8,"firstLanes":8,"concurrency":40,"location":null,"deep":false,"startedBy":"full","known":[]}', '{"phase":"equal"}', '{"listed":{"objects":2,"bytes":32},"copied":{"objects":0,"bytes":0},"skipped":{"objects":0,"bytes":0},"failed":{"objects":0,"bytes":0},"wouldCopy":{"objects":0,"bytes":0},"destination":{"objects":2,"bytes":0},"extra":{"objects":0,"bytes":0},"deleted":{"objects":0,"bytes":0},"wouldDelete":{"objects":0,"bytes":0},"deleteFailed":{"objects":0,"bytes":0},"skippedBy":{},"found":{"outcomes":{"equal":{"objects":2,"bytes":32}},"proofs":{"etag":{"objects":2,"bytes":32}},"reasons":{}}}', 1, 1795955975490, 1795955975503, 1795955975531, 'equal');
INSERT INTO "timeline" VALUES (1, 1795955975496, 'created', NULL);
INSERT INTO "timeline" VALUES (2, 1795955975519, 'phase_comparing', NULL);
INSERT INTO "timeline" VALUES (3, 1795955975525, 'phase_reporting', NULL);
INSERT INTO "timeline" VALUES (4, 1795955975531, 'phase_equal', NULL);
INSERT INTO "sqlite_sequence" VALUES ('timeline', 4);
INSERT INTO "sqlite_sequence" VALUES ('report_lines', 1);

-- database Sync/71cffee640d02e284daa0672715cf27043d77d74a13a1ab610148e6ee2bb38f8.sqlite
CREATE TABLE _cf_METADATA (
        key INTEGER PRIMARY KEY,
        value BLOB
      );
CREATE TABLE batches (
        batch INTEGER PRIMARY KEY AUTOINCREMENT,
        lane INTEGER,                     -- null: pending
        attempt INTEGER NOT NULL,         -- the current one, from 1; 0: never handed out
        doubtful INTEGER NOT NULL,        -- attempts that were lost: its objects may be at the destination
        not_before_ms INTEGER NOT NULL,
        count INTEGER NOT NULL,
        objects TEXT NOT NULL             -- ObjectWork[]
      );
CREATE TABLE deletions (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        what TEXT NOT NULL,              -- 'room': in the way of failed copies; 'extras': the others
        keys TEXT NOT NULL               -- Extra[]
      );
CREATE TABLE failures (
        key TEXT NOT NULL, failure TEXT NOT NULL, attempts INTEGER NOT NULL,
        work TEXT NOT NULL, round INTEGER NOT NULL
      );
CREATE TABLE lanes (lane INTEGER PRIMARY KEY, seen_at_ms INTEGER NOT NULL);
CREATE TABLE large (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        work TEXT NOT NULL,               -- ObjectWork
        copy_id TEXT,
        paused INTEGER NOT NULL DEFAULT 0
      );
CREATE TABLE readings (seq INTEGER PRIMARY KEY AUTOINCREMENT, stretches INTEGER NOT NULL);
CREATE TABLE report_bytes (
        part INTEGER NOT NULL,
        chunk INTEGER NOT NULL,
        gzip BLOB NOT NULL,
        PRIMARY KEY (part, chunk)
      ) WITHOUT ROWID;
CREATE TABLE report_lines (seq INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL);
CREATE TABLE report_parts (
        part INTEGER PRIMARY KEY,
        last_seq INTEGER NOT NULL,        -- its lines are those up to here that no earlier part has
        etag TEXT,                        -- null: fixed, not known to be stored; '': kept in report_bytes
        bytes INTEGER
      );
CREATE TABLE spent (one INTEGER PRIMARY KEY, spent TEXT NOT NULL);
CREATE TABLE sync (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id TEXT NOT NULL,
        spec TEXT NOT NULL,              -- RunSpec
        job TEXT NOT NULL,               -- SyncJob
        counters TEXT NOT NULL,          -- Counters
        round INTEGER NOT NULL,          -- 1, and one more with each retry
        created_at_ms INTEGER NOT NULL,
        started_at_ms INTEGER,
        ended_at_ms INTEGER,
        reported TEXT
      );
CREATE TABLE timeline (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, event TEXT NOT NULL, detail TEXT
      );
CREATE TABLE warnings (
        text TEXT PRIMARY KEY,
        rule TEXT                        -- DeleteRule, where it says why nothing is deleted
      );
INSERT INTO "_cf_METADATA" VALUES (1, NULL);
INSERT INTO "report_bytes" VALUES (1, 0, x'1f8b08000000000000039dce3d0ac3301403e0bdc7d06ca8edc476ecb364f1cf7b2594c6a1f19286debd844c5d3a74120221be1d77da104073a1728d1088b94d754640aecb440502ebf4220465059667ad7cac5bbc419c1130a26856d9198a69b0d1f1903a43d2755e274f49b21d0181b4355acf9fd81a3d9676b4f765ff22a43f099eb5b52e1a5294b4e2dc775e19969633f786a2fc49f800c7d246b906010000');
INSERT INTO "report_parts" VALUES (1, 1, '', 262);
INSERT INTO "spent" VALUES (1, '{"source":{"put":0,"list":1,"get":2,"head":0,"delete":0,"bytes":32},"destination":{"put":2,"list":1,"get":0,"head":0,"delete":0,"bytes":0}}');
INSERT INTO "sync" VALUES (1, '01m8kn2s6vtj8479h0c1qgv2mj', '{"source":{"store":"east","bucket":"source","prefix":"ended/"},"destination":{"store":"west","bucket":"destination","prefix":"ended/"},"compare":"auto","include":[],"exclude":[],"minSizeBytes":null,"maxSizeBytes":null,"minAgeSeconds":null,"maxAgeSeconds":null,"storageClasses":null,"lanes":8,"firstLanes":8,"concurrency":40,"location":null,"delete":false,"allowEmptySource":false,"maxDeletes":{"kind":"share","share":0.1},"deleteDespiteFailures":false,"dryRun":false,"verify":"auto","metadata":"preserve","attributes":{},"storageClass":null,"tags":"preserve","ifLossy":"warn","markCopy":true,"report":null,"reportFiltered":false,"partSize":null,"startedBy":"full","known":[]}', '{"phase":"completed"}', '{"listed":{"objects":2,"bytes":32},"copied":{"objects":2,"bytes":32},"skipped":{"objects":0,"bytes":0},"failed":{"objects":0,"bytes":0},"wouldCopy":{"objects":0,"bytes":0},"destination":{"objects":0,"bytes":0},"extra":{"objects":0,"bytes":0},"deleted":{"objects":0,"bytes":0},"wouldDelete":{"objects":0,"bytes":0},"deleteFailed":{"objects":0,"bytes":0},"skippedBy":{}}', 1, 1795955975387, 1795955975399, 1795955975472, 'completed');
INSERT INTO "timeline" VALUES (1, 1795955975392, 'created', NULL);
INSERT INTO "timeline" VALUES (2, 1795955975418, 'phase_copying', NULL);
INSERT INTO "timeline" VALUES (3, 1795955975464, 'phase_reporting', NULL);
INSERT INTO "timeline" VALUES (4, 1795955975472, 'phase_completed', NULL);
INSERT INTO "sqlite_sequence" VALUES ('timeline', 4);
INSERT INTO "sqlite_sequence" VALUES ('batches', 2);
INSERT INTO "sqlite_sequence" VALUES ('report_lines', 1);

-- database Sync/metadata.sqlite
CREATE TABLE _cf_ALARM (
      actor_id TEXT PRIMARY KEY,
      scheduled_time INTEGER,
      actor_name TEXT
    ) WITHOUT ROWID;
INSERT INTO "_cf_ALARM" VALUES ('028e81da548a451e7c4f0eaf190ec18f2d1318939b410e183bc44e3a2010e840', 1795955986026000000, '01m8kn2ssbtsvh3aw51jpx32y2');
