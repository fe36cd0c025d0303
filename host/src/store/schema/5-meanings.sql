-- From here on an approval binds what the name of a backend means: `backends` of a family is 'all', or a JSON object from
-- names to meanings. Where that is null, the next owner that starts writes what the name means then.
UPDATE families
SET backends = (SELECT json_group_object(value, NULL) FROM json_each(families.backends))
WHERE backends <> 'all';
